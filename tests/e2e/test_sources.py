"""Layers out of real engines: their files, a push to this process and `docker save` give the same bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import tempfile
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import images as lab_images
from tests.e2e.transfer_faults import Cut, Exchange, Fault, relay
from tests.e2e.transfer_images import Made, engine_of, layer, load, run

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.image.transfer.sources.blob_cache import BlobCache
from ftl.image.transfer.sources.docker_save import DockerSaveSource
from ftl.image.transfer.sources.files import Files, readable
from ftl.image.transfer.sources.push import PushSource
from ftl.image.transfer.sources.same_host import runs_on_this_host
from ftl.image.transfer.sources.selection import choose_sources, learn_blobs
from ftl.image.transfer.sources.source import SourceImage, SourceUnusable
from ftl.image.transfer.sources.upload_endpoint import UploadEndpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from lab.servers import Lab, Server

    from ftl.image.transfer.sources.source import LayerSource

SUITES = [
    suite for suite in os.environ.get("FTL_TEST_SUITES", "bookworm,trixie").split(",") if suite != "bookworm"
]
"""The releases whose engines stand in for this machine's; its own is the one of bookworm."""

NOBODY = 65534

reads_files = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the engine's files")


@pytest.fixture(scope="session", params=SUITES)
def server(lab: Lab, request: pytest.FixtureRequest) -> Server:
    """A server whose engine is a newer one."""
    return lab.server(f"sources-{request.param}", suite=request.param)


@pytest.fixture(scope="session")
def driver(engine: str) -> str:
    """The URL of this machine's engine, where it keeps its images with a graph driver."""

    async def store() -> str:
        async with here() as source:
            return (await source.info()).store

    if run(store()) != "overlay2":
        pytest.skip("this machine's engine has a containerd store")
    return engine


@pytest.fixture
def name(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for a test's images; what has it on this machine is removed in the end."""
    made = f"{lab.run}-sources-{abs(hash(request.node.nodeid)) % 10**6}".lower()
    yield made

    async def clean() -> None:
        async with Engine(local_url(), name="this machine") as engine:
            for image in await engine.images():
                for tag in image.tags:
                    if tag.startswith(f"{made}:"):
                        await engine.untag(tag)

    run(clean())


def here() -> Engine:
    """This machine's engine."""
    return Engine(local_url(), name="this machine")


def image(name: str, text: str, megabytes: int = 4) -> Made:
    """A base that cannot be compressed, a middle layer and a text."""
    base = random.Random(name).randbytes(megabytes << 20)
    return Made((layer({"base": base}), layer({"middle": name.encode()}), layer({"text": text.encode()})))


async def loaded(engine: Engine, tag: str, made: Made) -> SourceImage:
    """Bring an image to an engine."""
    await load(engine, tag, made)
    return await wanted(engine, tag)


async def wanted(engine: Engine, tag: str) -> SourceImage:
    """An image that an engine has."""
    found = await engine.image(tag)
    assert found is not None
    return SourceImage(tag, found.id, found.layers)


async def digests(source: LayerSource, needed: frozenset[str], *, measure: bool = False) -> dict[str, str]:
    """What a source hands out: the diffID that it says -> the digest of the bytes."""
    found: dict[str, str] = {}
    async with aclosing(source.layers(needed, measure=measure)) as layers:
        async for one in layers:
            content, size = hashlib.sha256(), 0
            async for piece in one.pieces:
                content.update(piece)
                size += len(piece)
            assert size == one.size == source.sizes[one.diff_id]
            assert one.diff_id not in found
            found[one.diff_id] = f"sha256:{content.hexdigest()}"
    return found


async def names(engine: Engine, *images: SourceImage) -> list[str]:
    """All names and digests of some images."""
    found = [await engine.image(image.config) for image in images]
    return [name for each in found if each is not None for name in (*each.tags, *each.digests)]


@asynccontextmanager
async def loopback(server: Server, port: int) -> AsyncIterator[None]:
    """Let a port of ours be on the server's loopback too, where its engine looks for it."""
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


# --- the engine's files -------------------------------------------------------------------------


@reads_files
@pytest.mark.engine
def test_files_are_what_docker_save_says(driver: str) -> None:
    """Of real images: every layer, every size, the config."""
    lab_images.ensure("postgres", "python")

    async def work() -> None:
        async with here() as source:
            both = [await wanted(source, reference) for reference in ("python-base", "postgres:16")]
            layers = frozenset(layer for each in both for layer in each.layers)
            files = await readable(source, both)
            assert files is not None
            found = await digests(files, layers)
            assert found == {layer: layer for layer in layers}
            saving = DockerSaveSource(source, {each.config: each.reference for each in both}, both)
            assert await digests(saving, layers) == found
            assert (files.configs, files.sizes) == (saving.configs, saving.sizes)
            sources = await choose_sources(source, both, layers, saving=saving)
            assert [each.name for each in sources] == ["files", "save"]

    run(work())


@reads_files
@pytest.mark.server
def test_files_of_newer_engines(server: Server, name: str) -> None:
    """They lie there as they do on 20.10."""

    async def work() -> None:
        async with here() as ours, engine_of(server) as source:
            machine = await ours.container(server.container)
            assert machine is not None
            made = await loaded(source, f"{name}:1", image(name, "one"))
            assert (
                await readable(source, [made]) is None
            )  # they are not where this machine's engine has its own
            files = Files(Path(f"/proc/{machine.pid}/root/var/lib/docker"), [made])
            files.look_up()
            assert await digests(files, frozenset(made.layers)) == {layer: layer for layer in made.layers}
            await source.untag(f"{name}:1")

    run(work())


@reads_files
@pytest.mark.engine
def test_a_file_that_was_changed_under_the_engine(driver: str, name: str) -> None:
    """The source is unfit, and the layer's reader hears of it before the layer's end."""

    async def work() -> None:
        async with here() as source:
            made = await loaded(source, f"{name}:1", image(name, "one"))
            files = await readable(source, [made])
            assert files is not None
            root = Path((await source.info()).root, "overlay2")
            (base,) = [path for path in root.glob("*/diff/middle") if path.read_text() == name]
            base.write_text(name[::-1])
            with pytest.raises(SourceUnusable, match="do not match"):
                await digests(files, frozenset(made.layers))

    run(work())


# --- a push -------------------------------------------------------------------------------------


async def pushes(engine: Engine, name: str, remembered: Path) -> None:
    """All that a push does, against one engine."""

    def push(image: SourceImage, budget: int) -> PushSource:
        return PushSource(engine, [image], BlobCache(remembered), budget=budget)

    first = await loaded(engine, f"{name}:1", image(name, "one"))
    whole = push(first, 8 << 20)
    assert await digests(whole, frozenset(first.layers)) == {layer: layer for layer in first.layers}
    saving = DockerSaveSource(engine, {first.config: first.reference}, [first])
    await digests(saving, frozenset(), measure=True)
    assert whole.configs == saving.configs

    second = await loaded(engine, f"{name}:2", image(name, "two"))
    changed = second.layers[-1]
    small = push(second, 20_000)  # the base alone has 4 MB
    assert await digests(small, frozenset({changed}), measure=True) == {changed: changed}
    assert {layer: small.sizes[layer] for layer in first.layers} == saving.sizes
    assert digest_of(small.configs[second.config]) == second.config
    assert await digests(push(second, 20_000), frozenset()) == {}
    assert await names(engine, first, second) == [f"{name}:1", f"{name}:2"]

    forgotten = forgetful(remembered)
    await PushSource(engine, [second], forgotten).learn()
    assert forgotten.unknown(second.layers) == set()
    assert forgotten.blobs.keys().isdisjoint({second.config})

    with pytest.raises(SourceUnusable, match="should remember"):
        await digests(
            PushSource(engine, [second], forgetful(remembered), budget=20_000), frozenset({changed})
        )
    third = await loaded(engine, f"{name}:3", image(f"{name} anew", "three"))
    async with aclosing(push(third, 8 << 20).layers(frozenset(third.layers), measure=False)) as layers:
        async for one in layers:
            async for _ in one.pieces:
                break  # as a transfer that is cancelled does
            break
    assert await names(engine, first, second, third) == [f"{name}:1", f"{name}:2", f"{name}:3"]
    for tag in (f"{name}:1", f"{name}:2", f"{name}:3"):
        await engine.untag(tag)


def forgetful(path: Path) -> BlobCache:
    """A memory that knows where the endpoint was, and nothing else."""
    found = BlobCache(path)
    found.blobs.clear()
    return found


def digest_of(content: bytes) -> str:
    """How engines name content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.engine
def test_a_push_hands_over_what_is_needed(driver: str, name: str, tmp_path: Path) -> None:
    """All layers the first time, the changed one alone afterwards; no name stays, whatever happens."""

    async def work() -> None:
        async with here() as source:
            await pushes(source, name, tmp_path / "pushed.json")

    run(work())


@contextmanager
def ordinary_user(socket: Path, cache: Path) -> Iterator[None]:
    """Be somebody in the group docker, who owns a folder."""
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


@pytest.mark.engine
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_an_ordinary_user_comes_to_push(driver: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not read the engine's files saves at first, and pushes once the layers were learnt."""
    socket = Path(driver.removeprefix("unix://"))
    if not socket.stat().st_gid:
        pytest.skip("the engine's socket is for root alone")

    async def work() -> None:
        async with here() as source:
            made = [await loaded(source, f"{name}:{text}", image(name, text, 28)) for text in ("one", "two")]
            changed = made[1].layers[-1]
            saving = DockerSaveSource(source, {made[1].config: name}, made[1:])

            async def chosen() -> list[LayerSource]:
                return await choose_sources(source, made[1:], frozenset({changed}), saving=saving)

            assert await chosen() == [saving]
            await learn_blobs(source, made[:1])
            push, last = await chosen()
            assert (push.name, last) == ("push", saving)
            assert await digests(push, frozenset({changed})) == {changed: changed}

    with tempfile.TemporaryDirectory() as cache:  # pytest's own folders are closed to others
        monkeypatch.setenv("XDG_CACHE_HOME", cache)
        with ordinary_user(socket, Path(cache)):
            run(work())


@pytest.mark.server
def test_newer_engines_push_alike(server: Server, name: str, tmp_path: Path) -> None:
    """The same against their engine, whose loopback leads to ours."""
    remembered = BlobCache(tmp_path / "pushed.json")

    async def work() -> None:
        async with AsyncExitStack() as stack:
            async with UploadEndpoint(NoRegistry(), "free") as endpoint:
                remembered.port = endpoint.port
            remembered.save()
            await stack.enter_async_context(loopback(server, remembered.port))
            source = await stack.enter_async_context(engine_of(server))
            await pushes(source, name, tmp_path / "pushed.json")

    run(work())


@pytest.mark.server
def test_an_engine_that_does_not_reach_us_is_no_source(server: Server, name: str, tmp_path: Path) -> None:
    """As one in a virtual machine: it is told apart, and no name stays."""

    async def work() -> None:
        async with engine_of(server) as source:
            made = await loaded(source, f"{name}:1", image(name, "one"))
            with pytest.raises(SourceUnusable):
                await digests(
                    PushSource(source, [made], BlobCache(tmp_path / "pushed.json")), frozenset(made.layers)
                )
            await learn_blobs(source, [made])
            assert await names(source, made) == [f"{name}:1"]
            saving = DockerSaveSource(source, {made.config: made.reference}, [made])
            sources = await choose_sources(source, [made], frozenset(made.layers), saving=saving)
            assert sources == [saving]
            await source.untag(f"{name}:1")

    run(work())


@pytest.mark.server
def test_only_an_engine_beside_us_is_asked_to_push(server: Server, engine: str) -> None:
    """One behind a forwarded socket would push to whoever listens on that port over there."""

    async def work() -> None:
        async with engine_of(server) as there:
            assert await there.info()
            assert not runs_on_this_host(there.url)

    run(work())
    assert runs_on_this_host(engine)
    assert not runs_on_this_host("unix:///nowhere")
    assert not runs_on_this_host("tcp://127.0.0.1:2375")


@pytest.mark.engine
def test_an_image_without_a_name_is_not_pushed(driver: str, name: str, tmp_path: Path) -> None:
    """It would be gone with the name that the push gives it."""

    async def work() -> None:
        async with here() as source:
            first = await loaded(source, f"{name}:1", image(name, "one"))
            await load(source, f"{name}:1", image(name, "two"))
            unnamed = replace(first, reference=first.config)
            with pytest.raises(SourceUnusable, match="no name"):
                await digests(PushSource(source, [unnamed], BlobCache(tmp_path / "pushed.json")), frozenset())
            assert await source.image(first.config) is not None
            await source.untag(first.config)

    run(work())


class CutPush(Fault):
    """The connection over which the engine was asked to push is lost, once its first layer is being read."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()

    async def engine(self, exchange: Exchange, piece: bytes) -> bytes:
        """Hold back the push's progress until then."""
        if "/push" in exchange.request:
            await self.reading.wait()
            raise Cut
        return piece


@pytest.mark.engine
def test_a_push_that_breaks_off(driver: str, name: str, tmp_path: Path) -> None:
    """The layer that was being read is not whole: the reader hears of it."""

    async def read(push: PushSource, made: SourceImage, reading: asyncio.Event) -> None:
        async with aclosing(push.layers(frozenset(made.layers), measure=False)) as layers:
            async for one in layers:
                async for _ in one.pieces:
                    if one.size > 1 << 20:
                        reading.set()
                        await asyncio.sleep(0.5)  # let it be noticed

    async def work() -> None:
        fault = CutPush()
        async with (
            relay(tmp_path / "engine.sock", driver, fault) as url,
            Engine(url, name="this machine") as source,
        ):
            made = await loaded(source, f"{name}:1", image(name, "one"))
            push = PushSource(source, [made], BlobCache(tmp_path / "pushed.json"))
            with pytest.raises(SourceUnusable):
                await read(push, made, fault.reading)
            assert await names(source, made) == [f"{name}:1"]

    run(work())


class NoRegistry:
    """Nothing stands behind the endpoint: only its port is asked for."""

    def heard(self) -> None:
        """Nobody comes."""

    def packed(self, digest: str) -> int | None:
        """Nothing is there."""

    async def receive(self, pieces: AsyncIterator[bytes]) -> tuple[str, int]:
        """Nothing is taken."""
        raise NotImplementedError

    def learn_blob(self, digest: str, packed: int, received: tuple[str, int]) -> None:
        """Nothing is learnt."""
