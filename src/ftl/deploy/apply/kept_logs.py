"""The last lines of a failed release's containers, read before they are removed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.releases.record import KeptLine

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.api import Engine
    from ftl.engine.values import Container

LINES = 100
"""Lines that are kept of a container."""

CHARACTERS = 500
"""Characters that are kept of a line."""

TOTAL = 400
"""Lines that are kept of all containers, the last ones: records are read at each command."""

SECONDS = 10.0

_ROLES = (labels.ROLE_SERVICE, labels.ROLE_DEPENDENCY, labels.ROLE_HOOK)


async def last_lines(context: DeployContext) -> tuple[KeptLine, ...]:
    """The last lines of the containers that this run created, by time.

    Empty where the server does not answer.
    """
    lines: list[KeptLine] = []
    with suppress(FtlError, TimeoutError):
        async with asyncio.timeout(SECONDS):
            project = context.project.name
            created = set(context.created.values())
            for session in context.fleet:
                containers = await session.engine.containers(labels={labels.PROJECT: project})
                chosen = (container for container in containers if container.id in created)
                for part in await gather(
                    _lines_of(session.engine, project, container) for container in chosen
                ):
                    lines += part
    return tuple(sorted(lines, key=lambda line: line.time)[-TOTAL:])


async def _lines_of(engine: Engine, project: str, container: Container) -> list[KeptLine]:
    if container.labels.get(labels.ROLE) not in _ROLES:
        return []
    service = container.labels.get(labels.SERVICE, "")
    name = container.name.removeprefix(f"{project}-")
    with suppress(FtlError):  # its log cannot be read
        lines = [line async for line in engine.logs(container.id, tail=LINES)]
        return [KeptLine(service, name, line.stream, line.time, line.text[:CHARACTERS]) for line in lines]
    return []
