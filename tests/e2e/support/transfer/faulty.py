"""Transfers with a fault in front of one of the engines."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from lab.transfers import send
from tests.e2e.support.transfer.faults import Fault, relay
from tests.e2e.support.transfer.images import Ends, Made, engine_of, layer, load, run
from tests.e2e.support.transfer.servers import unchanged

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import TransferFailed
from ftl.events import ignore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lab.servers import Server

    from ftl.events import Emit
    from ftl.image.transfer import TransferResult


MEGABYTE = 1 << 20


SAVE, LOAD = "/images/get", "/images/load"


class Nothing(Fault):
    """A relay without faults."""


class Scene:
    """Tags and images of a test."""

    def __init__(self, name: str) -> None:
        self.here = f"{name}:here"
        self.there = f"{name}:r1"
        self.name = name

    def image(self, text: str = "one", *, size: int = 0) -> Made:
        """An image of two layers: one of this test alone, with `size` random bytes, and the text."""
        filling = random.Random(self.name).randbytes(size) + b"x" * 100_000
        return Made((layer({"filling": filling, "name": self.name.encode()}), layer({"text": text.encode()})))


@dataclass(frozen=True)
class Broken(Ends):
    """The engines of a transfer, and `direct`, the server's engine without the fault."""

    direct: Engine


@asynccontextmanager
async def broken(
    server: Server, tmp_path: Path, *, here: Fault | None = None, there: Fault | None = None
) -> AsyncIterator[Broken]:
    """Connect to a server, with a fault in front of either engine."""
    async with AsyncExitStack() as stack:
        source_url = await stack.enter_async_context(relay(tmp_path / "here", local_url(), here or Nothing()))
        source = await stack.enter_async_context(Engine(source_url, name="this machine"))
        direct = await stack.enter_async_context(engine_of(server))
        url = await stack.enter_async_context(relay(tmp_path / "there", direct.url, there or Nothing()))
        target = await stack.enter_async_context(Engine(url, name=server.name))
        yield Broken(source, target, await target.info(), direct)


async def attempt(
    between: Ends, scene: Scene, emit: Emit = ignore, *, free_bytes: int | None = None
) -> TransferResult:
    """Send the test's image by `docker save`, where the faults are."""
    return await send(
        between.source,
        scene.here,
        between.target,
        tag=scene.there,
        info=between.info,
        emit=emit,
        free_bytes=free_bytes,
        sources={"save"},
    )


def failure(server: Server, scene: Scene, tmp_path: Path, made: Made, **faults: Fault) -> TransferFailed:
    """Send an image into a fault: the image under its tag must stay, and nothing be left."""

    async def work() -> None:
        async with broken(server, tmp_path, **faults) as between:
            await load(between.direct, scene.there, Made((layer({"old": scene.name.encode()}),)))
            before = await between.direct.image(scene.there)
            await load(between.source, scene.here, made)
            with pytest.raises(TransferFailed) as caught:
                await attempt(between, scene)
            errors.append(caught.value)
            assert await between.direct.image(scene.there) == before

    errors: list[TransferFailed] = []
    try:
        with unchanged(server):
            run(work())
    finally:
        server.docker("rmi", scene.there, check=False)
    return errors[0]
