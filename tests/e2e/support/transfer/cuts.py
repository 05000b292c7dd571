"""Support of tests of interrupted transfers: a slow image, and what has arrived of it."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from lab.relay import Relay
from tests.e2e.support.transfer.images import PATIENCE, Made, layer, load, run
from tests.e2e.support.transfer.servers import (
    KEPT,
    OwnImages,
    bring,
    kept,
    left_behind,
    reach,
)

from ftl.events import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab.servers import Server

    from ftl.events import Event

PART = 2 << 20
PARTS = 4
SLOW = 3e6
"""Bytes a second of a link on which an image of four layers takes three seconds."""

DOCUMENTS = 100_000
"""Bytes on the wire beside layers: login, requests, documents."""


def large(own_images: OwnImages) -> Made:
    """An image of incompressible layers."""
    noise = random.Random(own_images.name)
    return own_images.of("one", *(layer({f"part-{at}": noise.randbytes(PART)}) for at in range(PARTS)))


def missing(made: Made, server: Server) -> int:
    """About how many bytes of an image are not in a server's cache."""
    there = {name.partition("-")[0] for name in kept(server)}
    return sum(
        len(tar) for tar, digest in zip(made.layers, digests(made), strict=True) if digest not in there
    )


def size(made: Made) -> int:
    """Bytes of all layers."""
    return sum(map(len, made.layers))


def digests(made: Made) -> list[str]:
    """The layers' digests, without the algorithm."""
    return [found.removeprefix("sha256:") for found in json.loads(made.config)["rootfs"]["diff_ids"]]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


def arrived(server: Server, count: int) -> bool:
    """Whether this many of the image's large layers have arrived; the order is that of `docker save`."""
    names = [name for name in kept(server) if not name.startswith(".")]
    return sum(int(name.rpartition("-")[2]) >= PART for name in names) >= count


def tidy(server: Server) -> bool:
    """Whether no incomplete file, tag or container is left."""
    return left_behind(server) == "" and not any(name.startswith(".") for name in kept(server))


def running(server: Server, own_images: OwnImages) -> None:
    """Start a container of a release."""

    async def work() -> None:
        async with reach(server) as between:
            await load(between.target, own_images.tag("r0"), own_images.image("zero"))

    run(work())
    server.docker(
        "run", "--detach", "--name", "running", own_images.tag("r0"), "/bin/busybox", "sleep", "600"
    )


@contextmanager
def release(server: Server, own_images: OwnImages) -> Iterator[None]:
    """Run a release, and check that it still runs in the end."""
    running(server, own_images)
    try:
        yield
        assert server.docker("inspect", "--format", "{{.State.Running}}", "running") == "true"
    finally:
        server.docker("rm", "--force", "running", check=False)


async def again(server: Server, made: Made, own_images: OwnImages, tmp_path: Path) -> int:
    """Send an image once more, like from another machine; the bytes on the wire."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
        async with Relay((server.host, server.port)) as counting:
            async with reach(server, relay=counting, folder=tmp_path) as between:
                before = counting.counted.up
                await bring(between, made, own_images.tag("r1"), own_images.tag("r1"))
            return counting.counted.up - before


def damage(server: Server, made: Made, at: int, how: str) -> str:
    """Damage a cached layer of an image; its name."""
    name = f"{digests(made)[at]}-{len(made.layers[at])}"
    ways = {
        "truncated": 'truncate --size=-1000 "$1"',
        "garbage": 'head -c 5000 /dev/urandom > "$1"',
        "other": 'head -c "${1##*-}" /dev/zero | zstd -q > "$1.new" && mv "$1.new" "$1" && chown ftl: "$1"',
    }
    server.run("sh", "-c", ways[how], "sh", f"{KEPT}/{name}")
    return name


def is_good(server: Server, name: str) -> bool:
    """Whether a cached layer has the digest in its name."""
    found = server.run("sh", "-c", 'zstd -dqc "$1" | sha256sum', "sh", f"{KEPT}/{name}").stdout.decode()
    return found[:64] == name[:64]


def notes(events: list[Event]) -> list[str]:
    """The texts of the notes."""
    return [event.text for event in events if isinstance(event, Note)]
