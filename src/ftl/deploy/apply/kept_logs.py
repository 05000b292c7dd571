"""The last lines of a release's hooks, and of a failed one's containers, for its record.

A hook's container is removed when it ends, so the runner of hooks notes its lines as they come (`note_hook`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.redact import redacted
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.releases.record import KeptLine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.plan.steps.containers import RunHook
    from ftl.engine.api import Engine
    from ftl.engine.values import Container, LogLine

LINES = 100
"""Lines that are kept of a container."""

CHARACTERS = 500
"""Characters that are kept of a line."""

TOTAL = 400
"""Lines that are kept of all containers, the last ones: records are read at each command."""

HOOKS = 200
"""Lines that are kept of all hooks of a release that went live, the last ones."""

SECONDS = 10.0

_ROLES = (labels.ROLE_SERVICE, labels.ROLE_DEPENDENCY)


async def last_lines(context: DeployContext) -> tuple[KeptLine, ...]:
    """The last lines of the containers that this run created, by time.

    Those of hooks alone where the server does not answer.
    """
    lines = list(context.hook_lines)
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


def note_hook(context: DeployContext, step: RunHook, lines: Iterable[LogLine]) -> None:
    """Keep the last lines of a hook that has ended; its container is about to be removed."""
    name = step.container.removeprefix(f"{context.project.name}-")
    kept = (_kept(step.service, name, line) for line in deque(lines, maxlen=LINES))
    context.hook_lines += [replace(line, hook=step.hook) for line in kept]


def hook_lines(context: DeployContext) -> tuple[KeptLine, ...]:
    """The last lines of the hooks so far, by time."""
    return tuple(sorted(context.hook_lines, key=lambda line: line.time)[-HOOKS:])


def pre_hooks(context: DeployContext) -> tuple[str, ...]:
    """Services whose pre hooks have begun in this release."""
    record = context.recorded.get(context.release)
    return (record.pre_hooks or ()) if record is not None else ()


async def _lines_of(engine: Engine, project: str, container: Container) -> list[KeptLine]:
    if container.role not in _ROLES:
        return []
    service = container.labels.get(labels.SERVICE, "")
    name = container.name.removeprefix(f"{project}-")
    with suppress(FtlError):  # its log cannot be read
        lines = [line async for line in engine.logs(container.id, tail=LINES)]
        return [_kept(service, name, line) for line in lines]
    return []


def _kept(service: str, container: str, line: LogLine) -> KeptLine:
    return KeptLine(service, container, line.stream, line.time, redacted(line.text)[:CHARACTERS])
