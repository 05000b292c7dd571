"""Tests of servers that lack a tool or disk space, or have damaged layers in their cache."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from lab.relay import Relay
from tests.e2e.support.transfer.cuts import (
    SLOW,
    arrived,
    damage,
    is_good,
    large,
    notes,
    tidy,
    until,
)
from tests.e2e.support.transfer.images import run
from tests.e2e.support.transfer.servers import (
    OwnImages,
    bring,
    kept,
    left_behind,
    packages,
    printed,
    reach,
    slow,
)

from ftl.errors import FtlError, TransferFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory

    from ftl.events import Event
    from ftl.image.transfer import TransferResult

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("newcomer")]


@pytest.mark.parametrize("how", ["truncated", "other"])
def test_a_damaged_cached_layer(target: Server, own_images: OwnImages, how: str) -> None:
    """Everything is sent, once, with a note; the damaged layer is replaced."""
    made = own_images.of("one", packages(own_images.name))
    events: list[Event] = []

    async def work() -> TransferResult:
        async with reach(target) as between:
            await bring(between, made, own_images.tag("r1"), own_images.tag("r1"))
            target.docker("rmi", own_images.tag("r1"))
            names.append(damage(target, made, 1, how))
            return await bring(between, made, own_images.tag("r1"), own_images.tag("r1"), events.append)

    names: list[str] = []
    sent = run(work())
    assert (sent.layers_sent, sent.layers_kept) == (3, 0)
    assert notes(events) == [f"{target.name} lacks layers that it seemed to have: sending the whole image"]
    assert is_good(target, names[0])
    assert printed(target, own_images.tag("r1")) == f"one {own_images.name}"
    assert tidy(target)


@pytest.mark.parametrize("how", ["garbage", "other"])
def test_a_damaged_base_layer(target: Server, own_images: OwnImages, how: str) -> None:
    """The delta makes another layer, which fails verification; both are removed, and the next delta works."""
    made = [own_images.of("one", packages(own_images.name, count)) for count in (60, 61, 62)]
    events: list[Event] = []

    async def work() -> tuple[TransferResult, TransferResult]:
        async with reach(target) as between:
            await bring(between, made[0], own_images.tag("r1"), own_images.tag("r1"))
            damaged = damage(target, made[0], 1, how)
            slow(target)
            second = await bring(between, made[1], own_images.tag("r2"), own_images.tag("r2"), events.append)
            assert damaged not in kept(target)
            slow(target)  # the transfer has measured a fast link, over which small layers are sent whole
            return second, await bring(
                between, made[2], own_images.tag("r3"), own_images.tag("r3"), events.append
            )

    second, third = run(work())
    assert (second.layers_sent, second.layers_delta) == (3, 0)
    assert len(notes(events)) == 1
    assert (third.layers_sent, third.layers_delta) == (1, 1)
    for name in kept(target):
        assert is_good(target, name)
    assert printed(target, own_images.tag("r3")) == f"one {own_images.name}"


@contextmanager
def without(server: Server, what: str, shell: bytes) -> Iterator[None]:
    """Remove or replace a tool of a server inside this context."""
    undo = ["sh", "-c", 'mv "$1.away" "$1"', "sh", f"/usr/bin/{what}"]
    server.write("/root/busybox", shell)
    server.run("chmod", "755", "/root/busybox")
    if what == "head":  # busybox's reads more than its argument
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
def test_a_server_without_a_tool(target: Server, own_images: OwnImages, shell: bytes, what: str) -> None:
    """Without zstd, docker or GNU head the engine's API is used; without perl or memory, there are no deltas."""

    async def work() -> tuple[TransferResult, TransferResult]:
        async with reach(target) as between:
            first = await bring(
                between,
                own_images.of("one", packages(own_images.name)),
                own_images.tag("r1"),
                own_images.tag("r1"),
            )
            made = own_images.of("two", packages(own_images.name, 61))
            slow(target)
            return first, await bring(between, made, own_images.tag("r2"), own_images.tag("r2"))

    with without(target, what, shell):
        first, second = run(work())
    assert (first.layers_sent, second.layers_sent, second.layers_delta) == (3, 2, 0)
    assert bool(kept(target)) == (what in ("perl", "memory"))
    assert printed(target, own_images.tag("r2")) == f"two {own_images.name}"


def test_a_full_home(target: Server, own_images: OwnImages, shell: bytes) -> None:
    """Layers without disk space are not cached; the transfer succeeds."""
    busybox = "/root/busybox"
    target.write(busybox, shell)
    target.run("chmod", "755", busybox)
    target.run("mkdir", "-p", "/home/ftl/.cache")
    target.run(busybox, "mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "none", "/home/ftl/.cache")
    try:

        async def work() -> list[TransferResult]:
            async with reach(target) as between:
                made = [own_images.of("one", packages(own_images.name, count)) for count in (60, 61)]
                slow(target)
                return [
                    await bring(between, each, own_images.tag(name), own_images.tag(name))
                    for name, each in zip(("r1", "r2"), made, strict=True)
                ]

        sent = run(work())
        assert [each.layers_delta for each in sent] == [0, 0]
        assert all(is_good(target, name) for name in kept(target))
        assert all(size < 1 << 20 for size in kept(target).values())
    finally:
        target.run(busybox, "umount", "/home/ftl/.cache")
    assert printed(target, own_images.tag("r2")) == f"one {own_images.name}"
    assert tidy(target)


def test_a_disk_that_fills_up_during_the_transfer(
    server_factory: ServerFactory, own_images: OwnImages, tmp_path: Path
) -> None:
    """The engine's error comes with what could be freed, and the transfer is not retried."""
    server = server_factory("small", disk=96 << 20)
    made = large(own_images)
    events: list[Event] = []

    async def work() -> FtlError:
        async with (
            Relay((server.host, server.port), rate=SLOW) as link,
            reach(server, relay=link, folder=tmp_path) as between,
        ):
            task = asyncio.create_task(
                bring(between, made, own_images.tag("r1"), own_images.tag("r1"), events.append)
            )
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
