"""Testbed for the engine package: labelled objects on this machine's engine."""

from __future__ import annotations

import asyncio
import io
import tarfile
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ftl.engine.api import Engine
from ftl.engine.specs import ContainerSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine with a time limit."""
    asyncio.run(asyncio.wait_for(work, 120))


class EngineTestbed:
    """Objects of one test on the engine, which are all removed afterwards."""

    def __init__(self, url: str, image: str, prefix: str) -> None:
        self.url = url
        self.image = image
        self.prefix = prefix
        self.labels = {"ftl.test": prefix}

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        """An open engine; the test's objects are removed on exit."""
        async with Engine(self.url, name="this machine") as engine:
            try:
                yield engine
            finally:
                await self.sweep(engine)

    async def sweep(self, engine: Engine) -> None:
        """Remove all objects with the test's labels."""
        for container in await engine.containers(labels=self.labels):
            await engine.remove(container.id, force=True)
        for network in await engine.networks(labels=self.labels):
            await engine.remove_network(network.id)
        for volume in await engine.volumes(labels=self.labels):
            await engine.remove_volume(volume.name)

    def spec(self, *command: str, **more: Any) -> ContainerSpec:
        """Spec of a busybox container."""
        return ContainerSpec(
            image=self.image, labels=self.labels, command=("busybox", *command), restart="no", **more
        )

    async def started(self, engine: Engine, name: str, *command: str, **more: Any) -> str:
        """Start a busybox container; returns its name."""
        full_name = f"{self.prefix}-{name}"
        await engine.create(full_name, self.spec(*command, **more))
        await engine.start(full_name)
        return full_name


def tar(files: dict[str, bytes]) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
