"""Tests of failing transfers: a clear error, no tag moved, nothing left behind."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.transfer.faults import Cut, Exchange, Reply
from tests.e2e.support.transfer.faulty import (
    LOAD,
    MEGABYTE,
    SAVE,
    Nothing,
    Scene,
    attempt,
    broken,
    failure,
)
from tests.e2e.support.transfer.images import load, run
from tests.e2e.support.transfer.servers import unchanged

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import EngineUnavailable, TransferFailed
from ftl.events import Event, Note, TransferProgress
from ftl.image.transfer.archive.archive import sha256_digest

if TYPE_CHECKING:
    from pathlib import Path

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory


pytestmark = pytest.mark.server


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
