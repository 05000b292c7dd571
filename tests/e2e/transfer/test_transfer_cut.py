"""Tests of transfers that are cut or killed: nothing incomplete stays, the next resumes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from lab.relay import Relay
from tests.e2e.support.transfer.cuts import (
    DOCUMENTS,
    PART,
    SLOW,
    again,
    arrived,
    is_good,
    large,
    missing,
    release,
    size,
    tidy,
    until,
)
from tests.e2e.support.transfer.images import load, run
from tests.e2e.support.transfer.servers import (
    OwnImages,
    bring,
    kept,
    packages,
    printed,
    reach,
)

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import FtlError, TransferFailed

if TYPE_CHECKING:
    from pathlib import Path

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory

    from ftl.image.transfer import TransferResult


pytestmark = [pytest.mark.server, pytest.mark.usefixtures("newcomer")]


def test_a_lost_connection_costs_the_layer_in_flight(
    target: Server, own_images: OwnImages, tmp_path: Path
) -> None:
    """The error says to run it again, which sends only what had not arrived, also from another machine."""
    made = large(own_images)

    async def work() -> tuple[FtlError, int, int]:
        async with (
            Relay((target.host, target.port), rate=SLOW) as link,
            reach(target, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, own_images.tag("r1"), own_images.tag("r1")))
            await until(lambda: arrived(target, 2))
            link.cut()
            with pytest.raises(TransferFailed) as caught:
                await task
        await until(lambda: tidy(target))
        assert target.docker("images", "--quiet", own_images.tag("r1")) == ""
        left = missing(made, target)
        return caught.value, left, await again(target, made, own_images, tmp_path)

    with release(target, own_images):
        error, left, sent = run(work())
        assert printed(target, own_images.tag("r1")) == f"one {own_images.name}"
    assert "nothing was tagged there" in error.message
    assert (error.hint or "").startswith("run it again")
    assert left < size(made) - 2 * PART
    assert sent < left + DOCUMENTS


KILLED = """
import asyncio, json, sys
from pathlib import Path
from ftl.engine.api import Engine
from ftl.engine.local import local_url
from lab.transfers import send
from ftl.ssh.target import Target
from ftl.ssh.openssh import connect

async def main(host, port, user, key, known, tag):
    target = Target(host, port, user, Path(key), Path(known))
    async with (
        Engine(local_url(), name="this machine") as source,
        connect(target, interactive=False) as machine,
        Engine(await machine.engine_url(), name="there") as engine,
    ):
        info = await engine.info()
        await send(source, tag, engine, tag=tag, info=info, emit=lambda event: None, machine=machine)

asyncio.run(main(*json.loads(sys.argv[1])))
"""


def test_a_killed_sender_leaves_nothing_incomplete(
    target: Server, own_images: OwnImages, tmp_path: Path
) -> None:
    """After SIGKILL the server cleans up by itself, and the next run resumes."""
    made = large(own_images)

    async def work() -> tuple[int, int]:
        async with Engine(local_url(), name="this machine") as source:
            await load(source, own_images.tag("r1"), made)
        async with Relay((target.host, target.port), rate=SLOW) as link:
            known = tmp_path / "slow"
            known.write_text(target.known_hosts.read_text().replace(str(target.port), str(link.port)))
            arguments = [
                target.host,
                link.port,
                target.user,
                str(target.key),
                str(known),
                own_images.tag("r1"),
            ]
            argv = [sys.executable, "-c", textwrap.dedent(KILLED), json.dumps(arguments)]
            process = subprocess.Popen(argv, stderr=subprocess.PIPE)
            try:
                await until(lambda: arrived(target, 2))
                assert process.poll() is None
            finally:
                process.kill()
                await asyncio.to_thread(process.wait)
            await until(lambda: tidy(target))
        left = missing(made, target)
        return left, await again(target, made, own_images, tmp_path)

    with release(target, own_images):
        left, sent = run(work())
        assert printed(target, own_images.tag("r1")) == f"one {own_images.name}"
    assert left < size(made) - 2 * PART
    assert sent < left + DOCUMENTS


def test_ctrl_c_keeps_what_arrived(target: Server, own_images: OwnImages, tmp_path: Path) -> None:
    """No tag and no incomplete layer stays; and the next run resumes."""
    made = large(own_images)

    async def work() -> tuple[int, int]:
        async with (
            Relay((target.host, target.port), rate=SLOW) as link,
            reach(target, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, own_images.tag("r1"), own_images.tag("r1")))
            await until(lambda: arrived(target, 2))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await until(lambda: tidy(target))
        assert target.docker("images", "--quiet", own_images.tag("r1")) == ""
        left = missing(made, target)
        return left, await again(target, made, own_images, tmp_path)

    left, sent = run(work())
    assert left < size(made) - 2 * PART
    assert sent < left + DOCUMENTS


@pytest.mark.parametrize("way", ["engine", "server"])
def test_an_engine_or_server_that_is_killed(
    server_factory: ServerFactory, own_images: OwnImages, tmp_path: Path, way: str
) -> None:
    """It is an error, and after the restart there is no incomplete image; the next run resumes."""
    server = server_factory("killed")
    made = large(own_images)

    async def cut() -> FtlError:
        async with (
            Relay((server.host, server.port), rate=SLOW) as link,
            reach(server, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, own_images.tag("r1"), own_images.tag("r1")))
            await until(lambda: arrived(server, 2))
            await asyncio.to_thread(server.stop_engine if way == "engine" else server.kill)
            with pytest.raises(FtlError) as caught:
                await task
            return caught.value

    error = run(cut())
    assert (error.hint or "").startswith("run it again")
    (server.start_engine if way == "engine" else server.start)()
    assert server.docker("images", "--quiet") == ""
    left = missing(made, server)
    assert run(again(server, made, own_images, tmp_path)) < left + DOCUMENTS
    assert left < size(made) - PART
    assert tidy(server)
    assert printed(server, own_images.tag("r1")) == f"one {own_images.name}"


@pytest.mark.nightly  # ssh gives up after 45 seconds
def test_a_link_that_goes_dead(server_factory: ServerFactory, own_images: OwnImages, tmp_path: Path) -> None:
    """Without any answer it is an error all the same, and the next run resumes."""
    server = server_factory("dead")
    made = large(own_images)

    async def work() -> FtlError:
        async with (
            Relay((server.host, server.port), rate=SLOW) as link,
            reach(server, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, own_images.tag("r1"), own_images.tag("r1")))
            await until(lambda: arrived(server, 2))
            await asyncio.to_thread(server.pause)
            with pytest.raises(FtlError) as caught:
                await task
            return caught.value

    error = run(work())
    server.unpause()
    assert "was lost" in f"{error.message} {error.cause}"
    assert (error.hint or "").startswith("run it again")
    left = missing(made, server)
    assert run(again(server, made, own_images, tmp_path)) < left + DOCUMENTS
    assert left < size(made) - PART


def test_two_people_send_the_same_image(target: Server, own_images: OwnImages, tmp_path: Path) -> None:
    """At the same time, to the same server: both succeed, and nothing incomplete is left."""
    made = own_images.of("one", packages(own_images.name))

    async def one(name: str) -> TransferResult:
        async with reach(target) as between:
            return await bring(between, made, own_images.tag(name), own_images.tag(name))

    async def work() -> list[TransferResult]:
        return list(await asyncio.gather(one("r1"), one("r2")))

    assert [sent.image for sent in run(work())] == [own_images.tag("r1"), own_images.tag("r2")]
    for name in ("r1", "r2"):
        assert printed(target, own_images.tag(name)) == f"one {own_images.name}"
    assert tidy(target)
    assert all(is_good(target, name) for name in kept(target))
