"""Tests of failing transfers: a clear error, no tag moved, nothing left behind."""

from __future__ import annotations

import asyncio
import random
import re
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from lab.transfers import send, send_many
from tests.e2e.support.transfer import unchanged
from tests.e2e.support.transfer_faults import Cut, Exchange, Fault, Reply, relay
from tests.e2e.support.transfer_images import Ends, Made, engine_of, layer, load, run

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import EngineUnavailable, TransferFailed
from ftl.events import Event, Note, TransferProgress, ignore
from ftl.image.transfer.archive.archive import sha256_digest
from ftl.image.transfer.staging import StagedImages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from lab.servers import Lab, Server
    from tests.e2e.conftest import ServerFactory

    from ftl.events import Emit
    from ftl.image.transfer import TransferResult

pytestmark = pytest.mark.server

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


@pytest.fixture(scope="session", params=["overlay2", "containerd"])
def either(request: pytest.FixtureRequest, lab: Lab) -> Server:
    """A server of each kind of store."""
    suite = "trixie" if request.param == "containerd" else "bookworm"
    return lab.server(f"faults-{request.param}", suite=suite, store=request.param)


@pytest.fixture
def scene(request: pytest.FixtureRequest, lab: Lab, engine: str) -> Iterator[Scene]:
    """Tags of the test, removed from this machine in the end."""
    made = Scene(f"{lab.run}-{abs(hash(request.node.nodeid)) % 10**8}".lower())
    yield made

    async def clean() -> None:
        async with Engine(local_url(), name="this machine") as source:
            await source.untag(made.here)

    run(clean())


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


def test_an_image_that_does_not_exist(server: Server, scene: Scene, tmp_path: Path) -> None:
    """The error says how to build it."""

    async def work() -> None:
        async with broken(server, tmp_path) as between:
            with pytest.raises(TransferFailed, match="is not on this machine") as caught:
                await attempt(between, scene)
            assert "ftl build" in (caught.value.hint or "")

    run(work())


def test_a_layer_with_a_wrong_digest(server: Server, scene: Scene, tmp_path: Path) -> None:
    """A damaged local layer does not reach the server."""

    class Damage(Nothing):
        async def engine(self, exchange: Exchange, chunk: bytes) -> bytes:
            return chunk.replace(b"x" * 100, b"x" * 99 + b"!", 1) if SAVE in exchange.request else chunk

    error = failure(server, scene, tmp_path, scene.image(), here=Damage())
    assert "damaged on this machine" in error.message
    assert "sha256:" in (error.cause or "")


def test_an_image_that_is_removed_before_it_is_read(server: Server, scene: Scene, tmp_path: Path) -> None:
    """After the transfer has begun."""

    class Vanish(Nothing):
        async def client(self, exchange: Exchange, chunk: bytes) -> bytes:
            if SAVE in exchange.request:
                async with Engine(local_url(), name="this machine") as source:
                    await source.untag(scene.here)
            return chunk

    error = failure(server, scene, tmp_path, scene.image(), here=Vanish())
    assert "cannot be read from the engine on this machine" in error.message


def test_the_local_engine_closes_the_connection(server: Server, scene: Scene, tmp_path: Path) -> None:
    """In the middle of the archive."""

    class CutSave(Nothing):
        async def engine(self, exchange: Exchange, chunk: bytes) -> bytes:
            if SAVE in exchange.request and exchange.answered > MEGABYTE:
                raise Cut
            return chunk

    error = failure(server, scene, tmp_path, scene.image(size=4 * MEGABYTE), here=CutSave())
    assert "cannot be read from the engine on this machine" in error.message


def test_the_connection_to_the_server_is_cut(either: Server, scene: Scene, tmp_path: Path) -> None:
    """In the middle of the load."""

    class CutLoad(Nothing):
        async def client(self, exchange: Exchange, chunk: bytes) -> bytes:
            if LOAD in exchange.request and exchange.sent > MEGABYTE:
                raise Cut
            return chunk

    error = failure(either, scene, tmp_path, scene.image(size=8 * MEGABYTE), there=CutLoad())
    assert f"could not be loaded on {either.name}; nothing was tagged there" in error.message


class Refuse(Nothing):
    """The server's engine refuses to load."""

    loads = 0

    async def client(self, exchange: Exchange, chunk: bytes) -> bytes:
        if LOAD in exchange.request:
            self.loads += chunk.startswith(b"POST")
            raise Reply(
                b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
                b'Content-Length: 27\r\nConnection: close\r\n\r\n{"message":"out of coffee"}'
            )
        return chunk


def test_the_server_answers_500(server: Server, scene: Scene, tmp_path: Path) -> None:
    """The engine's message is in the error, and a whole image is not sent twice."""
    refuse = Refuse()
    error = failure(server, scene, tmp_path, scene.image(), there=refuse)
    assert "out of coffee" in (error.cause or "")
    assert refuse.loads == 1


def test_a_refused_part_is_retried_once_as_a_whole(server: Server, scene: Scene, tmp_path: Path) -> None:
    """After that it is an error."""
    refuse = Refuse()
    events: list[Event] = []

    async def work() -> None:
        async with broken(server, tmp_path, there=refuse) as between:
            await load(between.direct, scene.there, scene.image("one"))
            await load(between.source, scene.here, scene.image("two"))
            with pytest.raises(TransferFailed, match="could not be loaded"):
                await attempt(between, scene, events.append)

    try:
        run(work())
    finally:
        server.docker("rmi", scene.there)
    assert refuse.loads == 2
    assert [event.level for event in events if isinstance(event, Note)] == ["warning"]


def test_a_transfer_that_is_cancelled(either: Server, scene: Scene, tmp_path: Path) -> None:
    """Ctrl-C in the middle leaves no tag, no image and no container."""

    async def work() -> None:
        async with broken(either, tmp_path) as between:
            await load(between.source, scene.here, scene.image(size=24 * MEGABYTE))
            sending = asyncio.Event()

            def emit(event: Event) -> None:
                if isinstance(event, TransferProgress):
                    sending.set()

            task = asyncio.create_task(attempt(between, scene, emit))
            await sending.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await between.target.image(scene.there) is None

    with unchanged(either):
        run(work())


def test_staging_tags_of_killed_transfers_are_removed_after_a_day(
    server: Server, scene: Scene, tmp_path: Path
) -> None:
    """The next transfer removes them with their containers; a younger transfer may be running."""
    old = "ftl-incoming:1000000000-abcd-01234567-0"
    young = f"ftl-incoming:{int(time.time())}-abcd-01234567-0"

    async def work() -> set[str]:
        async with broken(server, tmp_path) as between:
            for tag in (old, young):
                await load(between.target, tag, Made((layer({"old": tag.encode()}),)))
                server.docker("create", "--name", tag.replace(":", "-"), tag, "x")
            await load(between.source, scene.here, scene.image())
            await attempt(between, scene)
            return {tag for image in await between.target.images() for tag in image.tags}

    try:
        tags = run(work())
        shown = server.docker("ps", "--all", "--format", "{{.Names}}", "--filter", "name=ftl-incoming")
        containers = shown.split()
    finally:
        server.docker("rm", young.replace(":", "-"), check=False)
        server.docker("rmi", scene.there, young, check=False)
    assert old not in tags
    assert {young, scene.there} <= tags
    assert containers == [young.replace(":", "-")]


def test_staging_tags_under_the_callers_lock_are_removed_at_once(
    server: Server, scene: Scene, tmp_path: Path
) -> None:
    """No other transfer can be running; also when the image exists, so that nothing needs to be sent."""

    async def work() -> set[str]:
        async with broken(server, tmp_path) as between:
            await load(between.source, scene.here, scene.image())
            (left,) = StagedImages(between.target, 1, time.time(), scene.name).tags
            await send(
                between.source,
                scene.here,
                between.target,
                tag=left,
                info=between.info,
                emit=ignore,
            )
            server.docker("create", "--name", left.replace(":", "-"), left, "x")
            await send_many(
                between.source,
                {scene.there: scene.here},
                between.target,
                info=between.info,
                emit=ignore,
                lock=scene.name,
            )
            return {tag for image in await between.target.images() for tag in image.tags}

    try:
        with unchanged(server):
            assert scene.there in run(work())
    finally:
        server.docker("rmi", scene.there, check=False)


def test_stale_staging_tags_are_removed_also_when_the_transfer_fails(
    server: Server, scene: Scene, tmp_path: Path
) -> None:
    """Or they would use the disk space that the next one lacks."""

    async def work() -> None:
        async with broken(server, tmp_path) as between:
            (left,) = StagedImages(between.target, 1, time.time(), scene.name).tags
            await load(between.direct, left, scene.image("old"))
            await load(between.source, scene.here, scene.image(size=8 * MEGABYTE))
            with pytest.raises(TransferFailed, match="no room"):
                await send_many(
                    between.source,
                    {scene.there: scene.here},
                    between.target,
                    info=between.info,
                    emit=ignore,
                    free_bytes=10_000,
                    lock=scene.name,
                )

    with unchanged(server):
        run(work())


class Count(Nothing):
    """Records the requests."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def client(self, exchange: Exchange, chunk: bytes) -> bytes:
        if chunk.startswith((b"GET ", b"POST ", b"DELETE ")):
            path = exchange.request.split(" ")[1].partition("?")[0]
            self.paths.append(re.sub(r"^/(v[0-9.]+/)?", "", path))
        return chunk


def test_nothing_to_send_is_one_round_trip(server: Server, scene: Scene, tmp_path: Path) -> None:
    """Between stores of one kind the engine tags it by its ID, beside the list; locally only the ID is read."""
    here, there = Count(), Count()

    async def work() -> None:
        async with broken(server, tmp_path, here=here, there=there) as between:
            await load(between.source, scene.here, scene.image())
            await attempt(between, scene)
            here.paths.clear()
            there.paths.clear()
            await attempt(between, scene)

    try:
        run(work())
    finally:
        server.docker("rmi", scene.there)
    image = sha256_digest(scene.image().config)
    assert sorted(there.paths) == ["images/json", f"images/{image}/tag"]
    assert here.paths == [f"images/{scene.here}/json"]


def test_an_image_of_another_platform_is_sent_with_a_warning(
    server: Server, scene: Scene, tmp_path: Path
) -> None:
    """It may be intended, for emulation."""
    events: list[Event] = []

    async def work() -> None:
        async with broken(server, tmp_path) as between:
            await load(between.source, scene.here, replace(scene.image(), architecture="s390x"))
            await attempt(between, scene, events.append)

    try:
        run(work())
    finally:
        server.docker("rmi", scene.there)
    (note,) = [event.text for event in events if isinstance(event, Note)]
    assert note == f"{scene.there} is for linux/s390x, {server.name} is linux/amd64"


def test_too_little_disk_space_is_an_error_beforehand(server: Server, scene: Scene, tmp_path: Path) -> None:
    """Where the free space is known, the error says how much is missing, and nothing is sent."""

    async def work() -> TransferFailed:
        async with broken(server, tmp_path) as between:
            await load(between.source, scene.here, scene.image(size=8 * MEGABYTE))
            with pytest.raises(TransferFailed) as caught:
                await attempt(between, scene, sent.append, free_bytes=10_000_000)
            return caught.value

    sent: list[Event] = []
    error = run(work())
    assert "no room" in error.message
    assert "7 MB are missing" in (error.cause or "")
    assert not any(isinstance(event, TransferProgress) for event in sent)


def test_too_little_disk_space_for_a_part_is_an_error_at_its_first_byte(
    server: Server, scene: Scene, tmp_path: Path
) -> None:
    """The size of a layer that must be sent is known when it is read."""
    base, added = scene.image(), layer({"more": b"m" * 4 * MEGABYTE})

    async def work() -> TransferFailed:
        async with broken(server, tmp_path) as between:
            await load(between.target, scene.there, base)
            await load(between.source, scene.here, Made((*base.layers, added)))
            with pytest.raises(TransferFailed) as caught:
                await attempt(between, scene, free_bytes=6_000_000)
            return caught.value

    try:
        with unchanged(server):
            assert "3 MB are missing" in (run(work()).cause or "")
    finally:
        server.docker("rmi", scene.there)


def test_a_disk_that_fills_up(server_factory: ServerFactory, scene: Scene, tmp_path: Path) -> None:
    """Where the free space is unknown, the engine's error comes with what could be freed."""
    server = server_factory("small", disk=64 * MEGABYTE)
    unused = scene.image(size=4 * MEGABYTE)

    async def leave_unused() -> None:
        async with broken(server, tmp_path) as between:
            await load(between.target, "unused:latest", unused)

    run(leave_unused())
    error = failure(server, scene, tmp_path, scene.image(size=60 * MEGABYTE))
    assert "no space left on device" in (error.cause or "")
    assert re.search(r"`docker image prune --all` there frees about \d+\.\d MB", error.hint or "")


def test_a_server_that_is_killed(server_factory: ServerFactory, scene: Scene, tmp_path: Path) -> None:
    """It is an error within bounds, and after the restart there is no incomplete image."""
    server = server_factory("killed")

    async def work() -> None:
        async with broken(server, tmp_path) as between:
            await load(between.source, scene.here, scene.image(size=24 * MEGABYTE))
            sending = asyncio.Event()

            def emit(event: Event) -> None:
                if isinstance(event, TransferProgress):
                    sending.set()

            task = asyncio.create_task(attempt(between, scene, emit))
            await sending.wait()
            await asyncio.to_thread(server.kill)
            with pytest.raises((TransferFailed, EngineUnavailable)) as caught:
                await task
            assert caught.value.message

    run(work())
    server.start()
    assert server.docker("images", "--quiet") == ""
