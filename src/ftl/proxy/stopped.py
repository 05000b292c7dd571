"""Commands on the files of a stopped proxy, in a short-lived container with its volumes.

A proxy that somebody stopped (another program needs its ports) stays stopped: only what it will serve changes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.engine.helper import helper_container
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import ExecResult, Mount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.api import Engine
    from ftl.proxy.names import ProxyNames

_SECONDS = 60.0
"""Limit for one command."""


async def execute(
    engine: Engine, names: ProxyNames, image: str, project: str, argv: Sequence[str]
) -> ExecResult:
    """Run a command in the volumes of a stopped proxy; its stderr is the output.

    `project` is the one that the command is for: `ftl remove` finds the container by it if this is killed.

    Raises:
        TimeoutError: It takes more than a minute.
    """
    spec = ContainerSpec(
        image=image,
        labels={labels.PROJECT: project, labels.ROLE: labels.ROLE_TRANSFER, labels.SERVICE: "proxy"},
        entrypoint=(argv[0],),
        command=tuple(argv[1:]),
        mounts=(Mount(names.config_volume, "/config"), Mount(names.data_volume, "/data")),
        restart="no",
    )
    async with helper_container(engine, f"{names.container}-files", spec) as container:
        async with asyncio.timeout(_SECONDS):
            await engine.start(container)
            status = await engine.wait(container)
        lines = [line.text async for line in engine.logs(container, tail=5)]
        return ExecResult(status, b"", "\n".join(lines).encode())
