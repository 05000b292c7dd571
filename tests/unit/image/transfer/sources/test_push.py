"""Tests of a push that begins before it is known which layers are needed."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from typing import TYPE_CHECKING

import aiohttp
import pytest

from ftl.engine.api import Engine
from ftl.engine.values import Image, PushUpdate
from ftl.image.transfer.archive.archive import sha256_digest
from ftl.image.transfer.sources.blob_cache import BlobCache, KnownBlob
from ftl.image.transfer.sources.push import PushSource
from ftl.image.transfer.sources.read_ahead import ReadAhead, StartedPush
from ftl.image.transfer.sources.source import SourceImage, SourceUnusable
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

BASE, CODE, OTHER = (text * 9000 for text in (b"base ", b"code ", b"other "))
CONFIG = json.dumps({"os": "linux"}).encode()
LAYERS = tuple(sha256_digest(tar) for tar in (BASE, CODE, OTHER))
IMAGE = SourceImage("shop", sha256_digest(CONFIG), LAYERS)


class PushingEngine(FakeEngine):
    """An engine that uploads an image's blobs as engines do."""

    def __init__(self) -> None:
        super().__init__()
        self.uploaded: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.add_image("shop:latest", Image(IMAGE.config_digest, (), (), LAYERS, {}, "linux/amd64", 1000))

    async def push(
        self, reference: str, *, auth: Mapping[str, str] | None = None
    ) -> AsyncIterator[PushUpdate]:
        address, _, name = reference.rpartition(":")[0].partition("/")
        base = f"http://{address}"
        async with aiohttp.ClientSession() as session:
            for blob in (*map(compressed, (BASE, CODE, OTHER)), CONFIG):
                digest = sha256_digest(blob)
                if (await session.head(f"{base}/v2/{name}/blobs/{digest}")).status == 200:
                    continue
                started = await session.post(f"{base}/v2/{name}/blobs/uploads/")
                sent = await session.patch(base + started.headers["Location"], data=self.in_parts(blob))
                done = await session.put(base + sent.headers["Location"], params={"digest": digest})
                assert done.status == 201
                self.uploaded.append(digest)
                yield PushUpdate("pushed", "")
            await self.may_end.wait()
            await session.put(f"{base}/v2/{name}/manifests/1", data=b"{}")

    async def in_parts(self, blob: bytes) -> AsyncIterator[bytes]:
        """An upload that may have to wait after its beginning."""
        yield blob[:10]
        await self.may_go_on.wait()
        yield blob[10:]


class WatchedPush(PushSource):
    """A push that says when its first upload has begun."""

    def __init__(self, engine: Engine, images: Sequence[SourceImage], cache: BlobCache) -> None:
        super().__init__(engine, images, cache)
        self.receives = asyncio.Event()

    async def receive(self, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        self.receives.set()
        return await super().receive(chunks)


class SlowCache(BlobCache):
    """A cache whose file takes its time, such as on a busy disk."""

    saves = threading.Event()
    may_end = threading.Event()

    def save(self) -> None:
        self.saves.set()
        assert self.may_end.wait(10)
        super().save()


def compressed(tar: bytes) -> bytes:
    """The blob of a layer."""
    return gzip.compress(tar, mtime=0)


def cache_of_base(path: Path) -> BlobCache:
    """A cache that knows the blob of the base layer alone."""
    cache = BlobCache(path / "pushed.json")
    blob = compressed(BASE)
    cache.blobs[sha256_digest(blob)] = KnownBlob(LAYERS[0], len(BASE), len(blob))
    return cache


async def read(source: PushSource, *needed: str) -> dict[str, bytes]:
    """Read layers: diffID -> tar."""
    return {
        layer.diff_id: b"".join([chunk async for chunk in layer.chunks])
        async for layer in source.layers(frozenset(needed), measure_all=True)
    }


async def until_pushed(engine: PushingEngine) -> None:
    """Wait for the end of a push: the config is the last blob."""
    async with asyncio.timeout(10):
        while IMAGE.config_digest not in engine.uploaded:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("waits", [True, False])
def test_a_push_that_began_ahead(tmp_path: Path, waits: bool) -> None:
    """Layers of unknown blobs are uploaded before they are asked for; only the needed ones are yielded."""

    async def work() -> None:
        engine, cache = PushingEngine(), cache_of_base(tmp_path)
        push = PushSource(engine, [IMAGE], cache)
        push.begin()
        if waits:
            await until_pushed(engine)
        assert await read(push, LAYERS[1]) == {LAYERS[1]: CODE}
        assert push.configs == {IMAGE.config_digest: CONFIG}
        assert push.sizes == {LAYERS[0]: len(BASE), LAYERS[1]: len(CODE), LAYERS[2]: len(OTHER)}
        await push.close()
        assert sha256_digest(compressed(BASE)) not in engine.uploaded
        assert (await engine.image("shop:latest")).tags == ("shop:latest",)  # type: ignore[union-attr]

    asyncio.run(work())


def test_the_end_of_a_push_is_not_waited_for(tmp_path: Path) -> None:
    """With all layers and the config there is all of the image: the manifest and the tag are the engine's matter."""

    async def work() -> None:
        engine = PushingEngine()
        engine.may_end.clear()
        push = PushSource(engine, [IMAGE], cache_of_base(tmp_path))
        push.begin()
        async with asyncio.timeout(10):
            assert await read(push, LAYERS[1]) == {LAYERS[1]: CODE}
        assert push.configs == {IMAGE.config_digest: CONFIG}
        engine.may_end.set()
        await push.close()
        assert BlobCache(tmp_path / "pushed.json").unknown(LAYERS) == set()
        assert (await engine.image("shop:latest")).tags == ("shop:latest",)  # type: ignore[union-attr]

    asyncio.run(work())


def test_a_layer_that_is_read_slowly_does_not_hold_up_the_push(tmp_path: Path) -> None:
    """What was begun ahead is put aside in files: the engine's upload is answered before its layer is read."""

    async def work() -> None:
        engine, cache = PushingEngine(), cache_of_base(tmp_path)
        cache.blobs[sha256_digest(compressed(OTHER))] = KnownBlob(LAYERS[2], len(OTHER), 1)
        engine.may_go_on.clear()
        push = WatchedPush(engine, [IMAGE], cache)
        push.begin()
        await push.receives.wait()
        layers = push.layers(frozenset(LAYERS[1:2]), measure_all=True)
        first = asyncio.create_task(anext(layers))
        await asyncio.sleep(0)
        engine.may_go_on.set()
        layer = await first
        await until_pushed(engine)
        assert b"".join([chunk async for chunk in layer.chunks]) == CODE
        await layers.aclose()
        await push.close()

    asyncio.run(work())


def test_a_layer_that_is_read_while_the_cache_is_written(tmp_path: Path) -> None:
    """The push is over by then, and so is its time: there is nothing to prolong."""

    async def work() -> None:
        engine = PushingEngine()
        push = PushSource(engine, [IMAGE], cache := SlowCache(tmp_path / "pushed.json"))
        push.begin()
        await asyncio.to_thread(cache.saves.wait, 10)
        layers = push.layers(frozenset(LAYERS[1:2]), measure_all=True)
        layer = await anext(layers)
        assert b"".join([chunk async for chunk in layer.chunks]) == CODE
        cache.may_end.set()
        await layers.aclose()

    asyncio.run(work())


def test_a_push_ahead_that_nobody_needs(tmp_path: Path) -> None:
    """Its blobs are remembered, its tag is removed, and its files are gone."""

    async def work() -> None:
        engine = PushingEngine()
        push = PushSource(engine, [IMAGE], cache_of_base(tmp_path))
        push.begin()
        await until_pushed(engine)
        await push.close()
        assert BlobCache(tmp_path / "pushed.json").unknown(LAYERS) == set()
        assert (await engine.image("shop:latest")).tags == ("shop:latest",)  # type: ignore[union-attr]

    asyncio.run(work())


def test_a_layer_that_a_push_ahead_took_for_known(tmp_path: Path) -> None:
    """A server that lacks a layer of a known blob is not served by what was pushed ahead."""

    async def work() -> None:
        engine = PushingEngine()
        push = PushSource(engine, [IMAGE], cache_of_base(tmp_path))
        ahead = StartedPush(push, frozenset({IMAGE.config_digest}), frozenset(LAYERS[1:]))
        assert ahead.serves([IMAGE], frozenset(LAYERS[1:2]))
        assert not ahead.serves([IMAGE], frozenset(LAYERS))
        assert not ahead.serves([SourceImage("else", "sha256:else", LAYERS)], frozenset(LAYERS[1:2]))
        push.begin()
        await until_pushed(engine)
        with pytest.raises(SourceUnusable, match="did not push"):
            await read(push, *LAYERS)

    asyncio.run(work())


def test_the_tag_of_a_push_that_was_killed(tmp_path: Path) -> None:
    """The next push takes it over, and removes it."""

    async def work() -> None:
        engine, cache = PushingEngine(), cache_of_base(tmp_path)
        await read(PushSource(engine, [IMAGE], cache), LAYERS[1])
        await engine.tag("shop:latest", f"127.0.0.1:{cache.port}/{cache.name}:pushed")
        await read(PushSource(engine, [IMAGE], cache), LAYERS[1])
        assert (await engine.image("shop:latest")).tags == ("shop:latest",)  # type: ignore[union-attr]

    asyncio.run(work())


def test_the_first_of_several_servers_reads_what_was_pushed_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others that ask while it waits or reads, and a transfer that is given up, do not end its reading."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    async def find_push(engine: Engine, images: Sequence[SourceImage], _: frozenset[str]) -> PushSource:
        return PushSource(engine, images, cache_of_base(tmp_path))

    async def work() -> None:
        async with ReadAhead(PushingEngine(), ["shop:latest"], find_push) as ahead:
            given_up = asyncio.create_task(ahead.source([IMAGE], frozenset(LAYERS[1:])))
            await asyncio.sleep(0)
            given_up.cancel()
            first, second = await asyncio.gather(
                ahead.source([IMAGE], frozenset(LAYERS[1:])), ahead.source([IMAGE], frozenset(LAYERS[1:]))
            )
            assert first is not None
            assert second is None
            reading = asyncio.create_task(read(first, *LAYERS[1:]))
            await asyncio.sleep(0)
            assert await ahead.source([IMAGE], frozenset(LAYERS[1:])) is None
            assert set(await reading) == set(LAYERS[1:])

    asyncio.run(work())


def test_an_engine_that_cannot_push_is_not_read_ahead() -> None:
    """Nothing is pushed, and the source is chosen as without reading ahead; an engine that is gone is no error."""

    async def work() -> None:
        engine = PushingEngine()
        async with ReadAhead(engine, ["shop:latest", "shop:gone"]) as ahead:
            assert await ahead.source([IMAGE], frozenset(LAYERS[1:2])) is None
        async with (
            Engine("unix:///tmp/ftl-no-such-socket", name="here") as gone,
            ReadAhead(gone, ["shop:latest"]) as ahead,
        ):
            assert await ahead.source([IMAGE], frozenset(LAYERS[1:2])) is None
        assert engine.uploaded == []

    asyncio.run(work())
