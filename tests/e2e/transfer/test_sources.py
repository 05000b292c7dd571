"""Tests of the sources of layers with real engines: a push, and `docker save`."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import images as lab_images
from tests.e2e.support.transfer.faults import relay
from tests.e2e.support.transfer.images import engine_of, load, run
from tests.e2e.support.transfer.layer_sources import (
    CutPush,
    NoUploads,
    check_pushes,
    image,
    inspect,
    load_image,
    local_engine,
    loopback,
    names,
    ordinary_user,
    read,
)

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.image.transfer.sources.blob_cache import BlobCache
from ftl.image.transfer.sources.docker_save import DockerSaveSource
from ftl.image.transfer.sources.push import PushSource
from ftl.image.transfer.sources.same_host import runs_on_this_host
from ftl.image.transfer.sources.selection import choose_sources, learn_blobs
from ftl.image.transfer.sources.source import SourceImage, SourceUnusable
from ftl.image.transfer.sources.upload_endpoint import UploadEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Lab, Server

    from ftl.image.transfer.sources.source import LayerSource

SUITES = [
    suite for suite in os.environ.get("FTL_TEST_SUITES", "bookworm,trixie").split(",") if suite != "bookworm"
]
"""The Debian releases whose engines are tested as the local one; this machine has bookworm's."""


@pytest.fixture(scope="session", params=SUITES)
def server(lab: Lab, request: pytest.FixtureRequest) -> Server:
    """A server with a newer engine."""
    return lab.server(f"sources-{request.param}", suite=request.param)


@pytest.fixture(scope="session")
def driver(engine: str) -> str:
    """The URL of this machine's engine, if it has a graph driver."""

    async def store() -> str:
        async with local_engine() as source:
            return (await source.info()).store

    if run(store()) != "overlay2":
        pytest.skip("this machine's engine has a containerd store")
    return engine


@pytest.fixture
def name(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A repository for a test's images, which are removed from this machine in the end."""
    repository = f"{lab.run}-sources-{abs(hash(request.node.nodeid)) % 10**6}".lower()
    yield repository

    async def clean() -> None:
        async with Engine(local_url(), name="this machine") as engine:
            for image in await engine.images():
                for tag in image.tags:
                    if tag.startswith(f"{repository}:"):
                        await engine.untag(tag)

    run(clean())


# --- docker save ----------------------------------------------------------------------------------


@pytest.mark.engine
def test_docker_save_yields_every_layer(driver: str) -> None:
    """Of two images that are built differently: every layer with its digest and size, and the configs."""

    async def work() -> None:
        async with local_engine() as engine:
            images = [await inspect(engine, reference) for reference in ("python-base", "postgres:16")]
            layers = frozenset(layer for each in images for layer in each.layers)
            source = DockerSaveSource(engine, {each.config_digest: each.reference for each in images}, images)
            assert await read(source, layers) == {layer: layer for layer in layers}
            assert source.configs.keys() == {each.config_digest for each in images}
            assert source.sizes.keys() == layers

    lab_images.ensure("postgres", "python")
    run(work())


# --- a push -------------------------------------------------------------------------------------


@pytest.mark.engine
def test_a_push_uploads_what_is_needed(driver: str, name: str, tmp_path: Path) -> None:
    """All layers the first time, the changed one alone afterwards; no tag stays, whatever happens."""

    async def work() -> None:
        async with local_engine() as source:
            await check_pushes(source, name, tmp_path / "pushed.json")

    run(work())


@pytest.mark.engine
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as another user")
def test_an_ordinary_user_pushes_once_the_blobs_are_known(
    driver: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first transfer is by `docker save`, later ones of a small change are by a push."""
    socket = Path(driver.removeprefix("unix://"))
    if not socket.stat().st_gid:
        pytest.skip("the engine's socket is for root alone")

    async def work() -> None:
        async with local_engine() as source:
            made = [
                await load_image(source, f"{name}:{text}", image(name, text, 28)) for text in ("one", "two")
            ]
            changed = made[1].layers[-1]
            saving = DockerSaveSource(source, {made[1].config_digest: name}, made[1:])

            async def choose() -> list[LayerSource]:
                return await choose_sources(source, made[1:], frozenset({changed}), fallback=saving)

            assert await choose() == [saving]
            await learn_blobs(source, made[:1])
            push, last = await choose()
            assert (push.name, last) == ("push", saving)
            assert await read(push, frozenset({changed})) == {changed: changed}

    with tempfile.TemporaryDirectory() as cache:  # pytest's own folders are private
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
        with ordinary_user(socket, Path(cache)):
            run(work())


@pytest.mark.server
def test_newer_engines_push_in_the_same_way(server: Server, name: str, tmp_path: Path) -> None:
    """With the server's engine, from whose loopback a port is forwarded to ours."""
    cache = BlobCache(tmp_path / "pushed.json")

    async def work() -> None:
        async with AsyncExitStack() as stack:
            async with UploadEndpoint(NoUploads(), "free") as endpoint:
                cache.port = endpoint.port
            cache.save()
            await stack.enter_async_context(loopback(server, cache.port))
            source = await stack.enter_async_context(engine_of(server))
            await check_pushes(source, name, tmp_path / "pushed.json")

    run(work())


@pytest.mark.server
def test_an_engine_that_cannot_reach_us_is_unusable(server: Server, name: str, tmp_path: Path) -> None:
    """Like one in a virtual machine: the source reports it, and no tag stays."""

    async def work() -> None:
        async with engine_of(server) as source:
            made = await load_image(source, f"{name}:1", image(name, "one"))
            with pytest.raises(SourceUnusable):
                await read(
                    PushSource(source, [made], BlobCache(tmp_path / "pushed.json")), frozenset(made.layers)
                )
            await learn_blobs(source, [made])
            assert await names(source, made) == [f"{name}:1"]
            saving = DockerSaveSource(source, {made.config_digest: made.reference}, [made])
            sources = await choose_sources(source, [made], frozenset(made.layers), fallback=saving)
            assert sources == [saving]
            await source.untag(f"{name}:1")

    run(work())


@pytest.mark.server
def test_only_an_engine_on_this_host_is_asked_to_push(server: Server, engine: str) -> None:
    """An engine behind a forwarded socket would push to whatever listens on that port there."""

    async def work() -> None:
        async with engine_of(server) as remote:
            assert await remote.info()
            assert not runs_on_this_host(remote.url)

    run(work())
    assert runs_on_this_host(engine)
    assert not runs_on_this_host("unix:///nowhere")
    assert not runs_on_this_host("tcp://127.0.0.1:2375")


@pytest.mark.engine
def test_an_untagged_image_is_not_pushed(driver: str, name: str, tmp_path: Path) -> None:
    """It would be removed with the tag that the push gives it."""

    async def work() -> None:
        async with local_engine() as source:
            first = await load_image(source, f"{name}:1", image(name, "one"))
            await load(source, f"{name}:1", image(name, "two"))
            unnamed = replace(first, reference=first.config_digest)
            with pytest.raises(SourceUnusable, match="no tag"):
                await read(PushSource(source, [unnamed], BlobCache(tmp_path / "pushed.json")), frozenset())
            assert await source.image(first.config_digest) is not None
            await source.untag(first.config_digest)

    run(work())


@pytest.mark.engine
def test_a_push_that_is_interrupted(driver: str, name: str, tmp_path: Path) -> None:
    """The layer that was being read is incomplete: its reader gets an error."""

    async def read(push: PushSource, made: SourceImage, reading: asyncio.Event) -> None:
        async with aclosing(push.layers(frozenset(made.layers), measure_all=False)) as layers:
            async for layer in layers:
                async for _ in layer.chunks:
                    if layer.size > 1 << 20:
                        reading.set()
                        await asyncio.sleep(0.5)  # until it is noticed

    async def work() -> None:
        fault = CutPush()
        async with (
            relay(tmp_path / "engine.sock", driver, fault) as url,
            Engine(url, name="this machine") as source,
        ):
            made = await load_image(source, f"{name}:1", image(name, "one"))
            push = PushSource(source, [made], BlobCache(tmp_path / "pushed.json"))
            with pytest.raises(SourceUnusable):
                await read(push, made, fault.reading)
            assert await names(source, made) == [f"{name}:1"]

    run(work())
