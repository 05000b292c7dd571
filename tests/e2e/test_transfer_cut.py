"""Transfers that are cut, killed or refused, as a deploy sends them: nothing half stays, and the next run goes on."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab.relay import Relay
from tests.e2e.transfer_faults import Exchange, Fault, relay
from tests.e2e.transfer_images import PATIENCE, Made, layer, load, run
from tests.e2e.transfer_stage import (
    KEPT,
    Bench,
    Fleet,
    bring,
    forget,
    kept,
    left_behind,
    packages,
    printed,
    reach,
    slow,
)

from ftl.engine import Engine, local_url
from ftl.errors import FtlError, TransferFailed
from ftl.events import Note
from ftl.image.transfer import Sent, send
from ftl.image.transfer.links import remember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory

    from ftl.events import Event

pytestmark = pytest.mark.server

PART = 2 << 20
PARTS = 4
SLOW = 3e6
"""An image of four layers that takes three seconds on its way."""

DOCUMENTS = 100_000
"""Bytes that go over the wire beside layers: the login, the questions, the documents."""


@pytest.fixture
def target(fleet: Fleet) -> Iterator[Server]:
    """A server without images, and that keeps nothing."""
    server = fleet.server("bookworm", "overlay2")
    yield server
    server.run("sh", "-c", "docker rmi --force $(docker images --quiet) 2>/dev/null", check=False)
    forget(server)


@pytest.fixture(autouse=True)
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered on this machine: no link, no push."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def large(bench: Bench) -> Made:
    """An image of layers that cannot be compressed."""
    noise = random.Random(bench.name)
    return bench.of("one", *(layer({f"part-{at}": noise.randbytes(PART)}) for at in range(PARTS)))


def missing(made: Made, server: Server) -> int:
    """About how many bytes of an image a server does not keep."""
    there = {name.partition("-")[0] for name in kept(server)}
    return sum(
        len(tar) for tar, digest in zip(made.layers, digests(made), strict=True) if digest not in there
    )


def size(made: Made) -> int:
    """Bytes of all layers."""
    return sum(map(len, made.layers))


def digests(made: Made) -> list[str]:
    """The layers' digests, without their kind."""
    return [found.removeprefix("sha256:") for found in json.loads(made.config)["rootfs"]["diff_ids"]]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something on a server holds."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


def arrived(server: Server, count: int) -> bool:
    """Whether so many layers have arrived."""
    return len([name for name in kept(server) if not name.startswith(".")]) >= count


def tidy(server: Server) -> bool:
    """Whether nothing half is left."""
    return left_behind(server) == "" and not any(name.startswith(".") for name in kept(server))


def running(server: Server, bench: Bench) -> None:
    """Let a release run."""

    async def work() -> None:
        async with reach(server) as between:
            await load(between.target, bench.tag("r0"), bench.image("zero"))

    run(work())
    server.docker("run", "--detach", "--name", "running", bench.tag("r0"), "/bin/busybox", "sleep", "600")


@contextmanager
def release(server: Server, bench: Bench) -> Iterator[None]:
    """A release that runs, and still does in the end."""
    running(server, bench)
    try:
        yield
        assert server.docker("inspect", "--format", "{{.State.Running}}", "running") == "true"
    finally:
        server.docker("rm", "--force", "running", check=False)


async def again(server: Server, made: Made, bench: Bench, tmp_path: Path) -> int:
    """Send it once more, as from another machine; how many bytes that put on the wire."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
        async with Relay((server.host, server.port)) as counting:
            async with reach(server, relay=counting, folder=tmp_path) as between:
                before = counting.counted.up
                await bring(between, made, bench.tag("r1"), bench.tag("r1"))
            return counting.counted.up - before


def test_a_lost_connection_costs_the_layer_in_flight(target: Server, bench: Bench, tmp_path: Path) -> None:
    """The error says to run it again, and that sends what had not arrived: also from another machine."""
    made = large(bench)

    async def work() -> tuple[FtlError, int, int]:
        async with (
            Relay((target.host, target.port), rate=SLOW) as link,
            reach(target, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, bench.tag("r1"), bench.tag("r1")))
            await until(lambda: arrived(target, 2))
            link.cut()
            with pytest.raises(TransferFailed) as caught:
                await task
        await until(lambda: tidy(target))
        assert target.docker("images", "--quiet", bench.tag("r1")) == ""
        left = missing(made, target)
        return caught.value, left, await again(target, made, bench, tmp_path)

    with release(target, bench):
        error, left, sent = run(work())
        assert printed(target, bench.tag("r1")) == f"one {bench.name}"
    assert "nothing was tagged there" in error.message
    assert (error.hint or "").startswith("run it again")
    assert left < size(made) - 2 * PART
    assert sent < left + DOCUMENTS


KILLED = """
import asyncio, json, sys
from pathlib import Path
from ftl.engine import Engine, local_url
from ftl.image.transfer import send
from ftl.ssh import Target, connect

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


def test_a_killed_sender_leaves_nothing_half(target: Server, bench: Bench, tmp_path: Path) -> None:
    """SIGKILL, which it cannot answer: the server notices by itself, and the next run goes on."""
    made = large(bench)

    async def work() -> tuple[int, int]:
        async with Engine(local_url(), name="this machine") as source:
            await load(source, bench.tag("r1"), made)
        async with Relay((target.host, target.port), rate=SLOW) as link:
            known = tmp_path / "slow"
            known.write_text(target.known_hosts.read_text().replace(str(target.port), str(link.port)))
            told = [target.host, link.port, target.user, str(target.key), str(known), bench.tag("r1")]
            argv = [sys.executable, "-c", textwrap.dedent(KILLED), json.dumps(told)]
            process = subprocess.Popen(argv, stderr=subprocess.PIPE)
            try:
                await until(lambda: arrived(target, 2))
                assert process.poll() is None
            finally:
                process.kill()
                await asyncio.to_thread(process.wait)
            await until(lambda: tidy(target))
        left = missing(made, target)
        return left, await again(target, made, bench, tmp_path)

    with release(target, bench):
        left, sent = run(work())
        assert printed(target, bench.tag("r1")) == f"one {bench.name}"
    assert left < size(made) - 2 * PART
    assert sent < left + DOCUMENTS


def test_ctrl_c_keeps_what_arrived(target: Server, bench: Bench, tmp_path: Path) -> None:
    """No tag, nothing half; and the next run goes on."""
    made = large(bench)

    async def work() -> tuple[int, int]:
        async with (
            Relay((target.host, target.port), rate=SLOW) as link,
            reach(target, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, bench.tag("r1"), bench.tag("r1")))
            await until(lambda: arrived(target, 2))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await until(lambda: tidy(target))
        assert target.docker("images", "--quiet", bench.tag("r1")) == ""
        left = missing(made, target)
        return left, await again(target, made, bench, tmp_path)

    left, sent = run(work())
    assert left < size(made) - 2 * PART
    assert sent < left + DOCUMENTS


@pytest.mark.parametrize("way", ["engine", "server"])
def test_what_is_killed_there_in_the_middle(
    server_factory: ServerFactory, bench: Bench, tmp_path: Path, way: str
) -> None:
    """The engine or the whole server: an error, and after it is back no half image; the next run goes on."""
    server = server_factory("killed")
    made = large(bench)

    async def cut() -> FtlError:
        async with (
            Relay((server.host, server.port), rate=SLOW) as link,
            reach(server, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, bench.tag("r1"), bench.tag("r1")))
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
    assert run(again(server, made, bench, tmp_path)) < left + DOCUMENTS
    assert left < size(made) - PART
    assert tidy(server)
    assert printed(server, bench.tag("r1")) == f"one {bench.name}"


@pytest.mark.nightly  # ssh gives up after 45 seconds
def test_a_link_that_goes_dead(server_factory: ServerFactory, bench: Bench, tmp_path: Path) -> None:
    """Nothing is refused, nothing answers: it is an error all the same, and the next run goes on."""
    server = server_factory("dead")
    made = large(bench)

    async def work() -> FtlError:
        async with (
            Relay((server.host, server.port), rate=SLOW) as link,
            reach(server, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, bench.tag("r1"), bench.tag("r1")))
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
    assert run(again(server, made, bench, tmp_path)) < left + DOCUMENTS
    assert left < size(made) - PART


def test_several_channels_are_cut_and_go_on(target: Server, bench: Bench, tmp_path: Path) -> None:
    """On a link that the round trip limits: frames come by three, and a layer counts once all of its are there."""
    made = bench.of("one", *(packages(f"{bench.name} {at}", 200) for at in range(3)))
    remember(target.name, 100e6, 1.0)

    async def work() -> tuple[int, int]:
        async with (
            Relay((target.host, target.port), delay=0.025, rate=12e6) as link,
            reach(target, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, bench.tag("r1"), bench.tag("r1")))
            await until(lambda: more_channels(target) and arrived(target, 2))
            link.cut()
            with pytest.raises(TransferFailed):
                await task
        await until(lambda: tidy(target) and not more_channels(target))
        left = missing(made, target)
        assert all(is_good(target, name) for name in kept(target))
        return left, await again(target, made, bench, tmp_path)

    left, sent = run(work())
    assert sent < left + DOCUMENTS
    assert printed(target, bench.tag("r1")) == f"one {bench.name}"


def more_channels(server: Server) -> bool:
    """Whether a transfer has more than one there."""
    return server.run("pgrep", "--full", "number.piece", check=False).stdout != b""


def test_two_people_send_the_same_image(target: Server, bench: Bench, tmp_path: Path) -> None:
    """At the same time, to the same server: both have it in the end, and nothing half is left."""
    made = bench.of("one", packages(bench.name))

    async def one(name: str) -> Sent:
        async with reach(target) as between:
            return await bring(between, made, bench.tag(name), bench.tag(name))

    async def work() -> list[Sent]:
        return list(await asyncio.gather(one("r1"), one("r2")))

    assert [sent.image for sent in run(work())] == [bench.tag("r1"), bench.tag("r2")]
    for name in ("r1", "r2"):
        assert printed(target, bench.tag(name)) == f"one {bench.name}"
    assert tidy(target)
    assert all(is_good(target, name) for name in kept(target))


# --- what the server keeps is not what it should be ------------------------------------------------


def damage(server: Server, made: Made, at: int, how: str) -> str:
    """Damage a layer of an image that a server keeps; its name."""
    name = f"{digests(made)[at]}-{len(made.layers[at])}"
    ways = {
        "truncated": 'truncate --size=-1000 "$1"',
        "garbage": 'head -c 5000 /dev/urandom > "$1"',
        "other": 'head -c "${1##*-}" /dev/zero | zstd -q > "$1.new" && mv "$1.new" "$1" && chown ftl: "$1"',
    }
    server.run("sh", "-c", ways[how], "sh", f"{KEPT}/{name}")
    return name


def is_good(server: Server, name: str) -> bool:
    """Whether a layer that is kept is what its name says."""
    found = server.run("sh", "-c", 'zstd -dqc "$1" | sha256sum', "sh", f"{KEPT}/{name}").stdout.decode()
    return found[:64] == name[:64]


def notes(events: list[Event]) -> list[str]:
    """What was said aside."""
    return [event.text for event in events if isinstance(event, Note)]


@pytest.mark.parametrize("how", ["truncated", "other"])
def test_a_kept_layer_that_is_damaged(target: Server, bench: Bench, how: str) -> None:
    """Everything is sent, once, and said; the good layer takes the place of the other."""
    made = bench.of("one", packages(bench.name))
    events: list[Event] = []

    async def work() -> Sent:
        async with reach(target) as between:
            await bring(between, made, bench.tag("r1"), bench.tag("r1"))
            target.docker("rmi", bench.tag("r1"))
            names.append(damage(target, made, 1, how))
            return await bring(between, made, bench.tag("r1"), bench.tag("r1"), events.append)

    names: list[str] = []
    sent = run(work())
    assert (sent.layers_sent, sent.layers_kept) == (3, 0)
    assert notes(events) == [f"{target.name} lacks layers that it seemed to have: sending the whole image"]
    assert is_good(target, names[0])
    assert printed(target, bench.tag("r1")) == f"one {bench.name}"
    assert tidy(target)


@pytest.mark.parametrize("how", ["garbage", "other"])
def test_an_old_layer_that_is_damaged(target: Server, bench: Bench, how: str) -> None:
    """Its difference makes another layer, which is found out; neither is trusted again, and the next one goes well."""
    made = [bench.of("one", packages(bench.name, count)) for count in (60, 61, 62)]
    events: list[Event] = []

    async def work() -> tuple[Sent, Sent]:
        async with reach(target) as between:
            await bring(between, made[0], bench.tag("r1"), bench.tag("r1"))
            damaged = damage(target, made[0], 1, how)
            slow(target)
            second = await bring(between, made[1], bench.tag("r2"), bench.tag("r2"), events.append)
            assert damaged not in kept(target)
            return second, await bring(between, made[2], bench.tag("r3"), bench.tag("r3"), events.append)

    second, third = run(work())
    assert (second.layers_sent, second.layers_delta) == (3, 0)
    assert len(notes(events)) == 1
    assert (third.layers_sent, third.layers_delta) == (1, 1)
    for name in kept(target):
        assert is_good(target, name)
    assert printed(target, bench.tag("r3")) == f"one {bench.name}"


# --- a server that lacks something -----------------------------------------------------------------


@contextmanager
def without(server: Server, what: str, shell: bytes) -> Iterator[None]:
    """A server on which something is missing or otherwise, while the block runs."""
    undo = ["sh", "-c", 'mv "$1.away" "$1"', "sh", f"/usr/bin/{what}"]
    server.write("/root/busybox", shell)
    server.run("chmod", "755", "/root/busybox")
    if what == "head":  # busybox's reads more than it was told to
        server.run("cp", "/root/busybox", "/usr/local/bin/head")
        undo = ["rm", "/usr/local/bin/head"]
    elif what == "memory":
        server.write("/tmp/meminfo", "MemTotal: 200000 kB\nMemAvailable: 50000 kB\n")  # on the server
        server.run("/root/busybox", "mount", "--bind", "/tmp/meminfo", "/proc/meminfo")
        undo = ["/root/busybox", "umount", "/proc/meminfo"]
    else:
        server.run("sh", "-c", 'mv "$1" "$1.away"', "sh", f"/usr/bin/{what}")
    try:
        yield
    finally:
        server.run(*undo)


@pytest.mark.parametrize("what", ["zstd", "docker", "head", "perl", "memory"])
def test_a_server_that_lacks_something(target: Server, bench: Bench, shell: bytes, what: str) -> None:
    """Without zstd, docker or GNU head it goes by the engine's API; without perl or memory, no differences."""

    async def work() -> tuple[Sent, Sent]:
        async with reach(target) as between:
            first = await bring(
                between, bench.of("one", packages(bench.name)), bench.tag("r1"), bench.tag("r1")
            )
            made = bench.of("two", packages(bench.name, 61))
            slow(target)
            return first, await bring(between, made, bench.tag("r2"), bench.tag("r2"))

    with without(target, what, shell):
        first, second = run(work())
    assert (first.layers_sent, second.layers_sent, second.layers_delta) == (3, 2, 0)
    assert bool(kept(target)) == (what in ("perl", "memory"))
    assert printed(target, bench.tag("r2")) == f"two {bench.name}"


def test_a_full_home(target: Server, bench: Bench, shell: bytes) -> None:
    """What finds no room there is not kept, and not trusted; the transfer goes on."""
    busybox = "/root/busybox"
    target.write(busybox, shell)
    target.run("chmod", "755", busybox)
    target.run("mkdir", "-p", "/home/ftl/.cache")
    target.run(busybox, "mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "none", "/home/ftl/.cache")
    try:

        async def work() -> list[Sent]:
            async with reach(target) as between:
                made = [bench.of("one", packages(bench.name, count)) for count in (60, 61)]
                slow(target)
                return [
                    await bring(between, each, bench.tag(name), bench.tag(name))
                    for name, each in zip(("r1", "r2"), made, strict=True)
                ]

        sent = run(work())
        assert [each.layers_delta for each in sent] == [0, 0]
        assert all(is_good(target, name) for name in kept(target))
        assert all(size < 1 << 20 for size in kept(target).values())
    finally:
        target.run(busybox, "umount", "/home/ftl/.cache")
    assert printed(target, bench.tag("r2")) == f"one {bench.name}"
    assert tidy(target)


def test_a_disk_that_fills_up_meanwhile(server_factory: ServerFactory, bench: Bench, tmp_path: Path) -> None:
    """There was room when it began: the engine's refusal comes with what could be freed, and is not tried again."""
    server = server_factory("small", disk=96 << 20)
    made = large(bench)
    events: list[Event] = []

    async def work() -> FtlError:
        async with (
            Relay((server.host, server.port), rate=SLOW) as link,
            reach(server, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(bring(between, made, bench.tag("r1"), bench.tag("r1"), events.append))
            await until(lambda: arrived(server, 1))
            await asyncio.to_thread(
                server.run, "sh", "-c", "head -c 96M /dev/zero > /var/lib/docker/full", check=False
            )
            with pytest.raises(TransferFailed) as caught:
                await task
            return caught.value

    error = run(work())
    assert "space" in f"{error.message} {error.cause}"
    assert error.hint
    assert notes(events) == []
    server.run("rm", "/var/lib/docker/full")
    assert server.docker("images", "--quiet") == ""
    assert left_behind(server) == ""


# --- an image here that is not what it should be ---------------------------------------------------


class Nothing(Fault):
    """All is well."""


async def failing(
    server: Server, bench: Bench, tmp_path: Path, fault: Fault, sources: set[str]
) -> TransferFailed:
    """Send an image with a fault in front of the engine here."""
    async with (
        relay(tmp_path / "here", local_url(), fault) as url,
        Engine(url, name="this machine") as source,
        reach(server) as between,
    ):
        with pytest.raises(TransferFailed) as caught:
            await send(
                source,
                bench.tag("r1"),
                between.target,
                tag=bench.tag("r1"),
                info=between.info,
                emit=lambda _event: None,
                machine=between.machine,
                sources=sources,
            )
        return caught.value


def test_a_layer_whose_bytes_are_not_its_own(target: Server, bench: Bench, tmp_path: Path) -> None:
    """A damaged disk or engine here: the layer is not kept there under a name that it has no right to."""
    made = bench.of("one", layer({"mark": b"x" * 3_000_000}))

    class Damage(Nothing):
        async def engine(self, exchange: Exchange, piece: bytes) -> bytes:
            saved = "/images/get" in exchange.request
            return piece.replace(b"x" * 100, b"x" * 99 + b"!", 1) if saved else piece

    async def work() -> TransferFailed:
        async with reach(target) as between:
            await load(between.source, bench.tag("r1"), made)
        return await failing(target, bench, tmp_path, Damage(), {"save"})

    error = run(work())
    assert "damaged on this machine" in error.message
    assert tidy(target)
    assert not any(name.startswith(digests(made)[1]) for name in kept(target))
    assert target.docker("images", "--quiet") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may damage the engine's files")
def test_a_damaged_file_of_the_engine_here(target: Server, bench: Bench) -> None:
    """Found out when the layer has passed, whichever way it is read: no tag, and nothing of it is kept there."""
    made = bench.of("one", packages(bench.name))

    async def work() -> TransferFailed:
        async with reach(target) as between:
            await load(between.source, bench.tag("r1"), Made(made.layers[:2], made.labels))
            form = "{{.GraphDriver.Data.UpperDir}}"
            argv = ("docker", "image", "inspect", "--format", form, bench.tag("r1"))
            shown = await asyncio.to_thread(subprocess.run, argv, capture_output=True, check=True)
            (Path(shown.stdout.decode().strip()) / "lib/7").write_bytes(b"y" * 40_000)
            await load(between.source, bench.tag("r1"), made)
            with pytest.raises(TransferFailed) as caught:
                await bring(between, made, bench.tag("r1"), bench.tag("r1"))
            return caught.value

    error = run(work())
    assert "on this machine" in error.message
    assert tidy(target)
    assert not any(name.startswith(digests(made)[1]) for name in kept(target))
    assert target.docker("images", "--quiet") == ""


def test_an_image_that_vanishes(target: Server, bench: Bench, tmp_path: Path) -> None:
    """Someone removes it while the server is asked."""

    class Vanish(Nothing):
        async def client(self, exchange: Exchange, piece: bytes) -> bytes:
            if "/images/get" in exchange.request:
                async with Engine(local_url(), name="this machine") as source:
                    await source.untag(bench.tag("r1"))
            return piece

    async def work() -> TransferFailed:
        async with reach(target) as between:
            await load(between.source, bench.tag("r1"), large(bench))
        return await failing(target, bench, tmp_path, Vanish(), {"save"})

    assert "cannot be read from the engine on this machine" in run(work()).message
    assert tidy(target)


# --- who we are there ------------------------------------------------------------------------------


@pytest.fixture
def talker(fleet: Fleet) -> Iterator[tuple[Server, str]]:
    """A user on a server whose shell greets on both outputs, and who likes another `ls`."""
    server, name = fleet.server("bookworm", "overlay2"), "talker"
    greeting = "echo 'Welcome! zstd docker exact layer'; echo 'error: nobody reads this' >&2\n"
    greeting += 'export TIME_STYLE=long-iso XDG_CACHE_HOME="$HOME/my cache"\n'
    _join(server, name, "/bin/bash")
    server.write(f"/home/{name}/.bashrc", greeting)
    yield server, name
    server.run("userdel", "--remove", "--force", name, check=False)


def _join(server: Server, name: str, shell: str) -> None:
    """Have a user who may use Docker, reached by the key of the lab's user."""
    server.run("useradd", "--create-home", "--shell", shell, "--groups", "docker", name)
    server.run("cp", "/etc/ssh/authorized_keys/ftl", f"/etc/ssh/authorized_keys/{name}")


async def two_releases(server: Server, bench: Bench, user: str) -> tuple[Sent, Sent]:
    """A first image, and a second one that goes as a difference."""
    async with reach(server, user=user) as between:
        made = [bench.of(text, packages(bench.name, count)) for text, count in (("one", 60), ("two", 61))]
        first = await bring(between, made[0], bench.tag("r1"), bench.tag("r1"))
        slow(server)
        return first, await bring(between, made[1], bench.tag("r2"), bench.tag("r2"))


def test_a_shell_that_talks(talker: tuple[Server, str], target: Server, bench: Bench) -> None:
    """Greetings are no answers, a cache folder may have a space in its name, and times may be told in any way."""
    server, user = talker
    first, second = run(two_releases(server, bench, user))
    assert (first.layers_sent, second.layers_delta) == (3, 1)
    assert printed(server, bench.tag("r2")) == f"two {bench.name}"
    assert server.run("ls", f"/home/{user}/my cache/ftl/layers").stdout


@pytest.mark.nightly
@pytest.mark.parametrize("shell_name", ["fish", "zsh", "tcsh"])
def test_a_shell_of_another_kind(server_factory: ServerFactory, bench: Bench, shell_name: str) -> None:
    """What runs there is told to `sh`, whatever the user logs in to."""
    server = server_factory(shell_name)
    server.run(
        "sh",
        "-c",
        "apt-get -q update && apt-get -q install -y --no-install-recommends $0",
        shell_name,
        timeout=300,
    )
    _join(server, "other", f"/usr/bin/{shell_name}")
    first, second = run(two_releases(server, bench, "other"))
    assert (first.layers_sent, second.layers_sent) == (3, 2)
    assert printed(server, bench.tag("r2")) == f"two {bench.name}"
