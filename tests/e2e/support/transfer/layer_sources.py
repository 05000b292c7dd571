"""Images on local engines, and reading of their layers."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.transfer.faults import Cut, Exchange, Fault
from tests.e2e.support.transfer.images import Made, layer, load

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.image.transfer.archive.archive import sha256_digest
from ftl.image.transfer.sources.blob_cache import BlobCache
from ftl.image.transfer.sources.docker_save import DockerSaveSource
from ftl.image.transfer.sources.push import PushSource
from ftl.image.transfer.sources.source import SourceImage, SourceUnusable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from lab.servers import Server

    from ftl.image.transfer.sources.source import LayerSource


NOBODY = 65534


def local_engine() -> Engine:
    """This machine's engine."""
    return Engine(local_url(), name="this machine")


def image(name: str, text: str, megabytes: int = 4) -> Made:
    """A base that cannot be compressed, a middle layer and a text."""
    base = random.Random(name).randbytes(megabytes << 20)
    return Made((layer({"base": base}), layer({"middle": name.encode()}), layer({"text": text.encode()})))


async def load_image(engine: Engine, tag: str, made: Made) -> SourceImage:
    """Load an image into an engine."""
    await load(engine, tag, made)
    return await inspect(engine, tag)


async def inspect(engine: Engine, tag: str) -> SourceImage:
    """An image of an engine."""
    image = await engine.image(tag)
    assert image is not None
    return SourceImage(tag, image.id, image.layers)


async def read(source: LayerSource, needed: frozenset[str], *, measure_all: bool = False) -> dict[str, str]:
    """Read layers from a source: diffID -> digest of the bytes."""
    digests: dict[str, str] = {}
    async with aclosing(source.layers(needed, measure_all=measure_all)) as layers:
        async for layer in layers:
            content, size = hashlib.sha256(), 0
            async for chunk in layer.chunks:
                content.update(chunk)
                size += len(chunk)
            assert size == layer.size == source.sizes[layer.diff_id]
            assert layer.diff_id not in digests
            digests[layer.diff_id] = f"sha256:{content.hexdigest()}"
    return digests


async def names(engine: Engine, *images: SourceImage) -> list[str]:
    """All tags and digests of images."""
    inspected = [await engine.image(image.config_digest) for image in images]
    return [name for each in inspected if each is not None for name in (*each.tags, *each.digests)]


@asynccontextmanager
async def loopback(server: Server, port: int) -> AsyncIterator[None]:
    """Forward a local port to the server's loopback, where its engine connects to it."""
    options = ("-o", "ExitOnForwardFailure=yes", "-R", f"127.0.0.1:{port}:127.0.0.1:{port}")
    pipe = asyncio.subprocess.PIPE
    ssh = await asyncio.create_subprocess_exec(
        *server.ssh(*options), "echo ready; cat", stdin=pipe, stdout=pipe
    )
    assert ssh.stdout is not None
    try:
        assert await ssh.stdout.readline() == b"ready\n"
        yield
    finally:
        ssh.terminate()
        await ssh.wait()


async def check_pushes(engine: Engine, name: str, cache: Path) -> None:
    """Check everything that a push does, with one engine."""

    def push(image: SourceImage, budget: int) -> PushSource:
        return PushSource(engine, [image], BlobCache(cache), budget=budget)

    first = await load_image(engine, f"{name}:1", image(name, "one"))
    complete = push(first, 8 << 20)
    assert await read(complete, frozenset(first.layers)) == {layer: layer for layer in first.layers}
    saving = DockerSaveSource(engine, {first.config_digest: first.reference}, [first])
    await read(saving, frozenset(), measure_all=True)
    assert complete.configs == saving.configs

    second = await load_image(engine, f"{name}:2", image(name, "two"))
    changed = second.layers[-1]
    partial = push(second, 20_000)  # the base alone has 4 MB
    assert await read(partial, frozenset({changed}), measure_all=True) == {changed: changed}
    assert {layer: partial.sizes[layer] for layer in first.layers} == saving.sizes
    assert sha256_digest(partial.configs[second.config_digest]) == second.config_digest
    assert await read(push(second, 20_000), frozenset()) == {}
    assert await names(engine, first, second) == [f"{name}:1", f"{name}:2"]

    learnt = empty_cache(cache)
    await PushSource(engine, [second], learnt).learn()
    assert learnt.unknown(second.layers) == set()
    assert learnt.blobs.keys().isdisjoint({second.config_digest})

    with pytest.raises(SourceUnusable, match="should remember"):
        await read(PushSource(engine, [second], empty_cache(cache), budget=20_000), frozenset({changed}))
    third = await load_image(engine, f"{name}:3", image(f"{name} anew", "three"))
    async with aclosing(push(third, 8 << 20).layers(frozenset(third.layers), measure_all=False)) as layers:
        async for layer in layers:
            async for _ in layer.chunks:
                break  # like a transfer that is cancelled
            break
    assert await names(engine, first, second, third) == [f"{name}:1", f"{name}:2", f"{name}:3"]
    for tag in (f"{name}:1", f"{name}:2", f"{name}:3"):
        await engine.untag(tag)


def empty_cache(path: Path) -> BlobCache:
    """A cache that knows the endpoint's address, but no blobs."""
    cache = BlobCache(path)
    cache.blobs.clear()
    return cache


@contextmanager
def ordinary_user(socket: Path, cache: Path) -> Iterator[None]:
    """Run as a user in the group docker, who owns a folder."""
    os.chown(cache, NOBODY, NOBODY)
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([socket.stat().st_gid])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


class CutPush(Fault):
    """Cuts the connection of the push request once its first layer is being read."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()

    async def engine(self, exchange: Exchange, chunk: bytes) -> bytes:
        """Delay the push's progress until then."""
        if "/push" in exchange.request:
            await self.reading.wait()
            raise Cut
        return chunk


class NoUploads:
    """Handler of an endpoint of which only the port is used."""

    def on_activity(self) -> None:
        """Ignore it."""

    def known_blob_size(self, digest: str) -> int | None:
        """No blob is known."""

    async def receive(self, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        """Refuse it."""
        raise NotImplementedError

    def blob_complete(self, digest: str, compressed_size: int, received: tuple[str, int]) -> None:
        """Ignore it."""
