"""Tests of transfers to real servers by the receiving script: cache and deltas.

`test_transfer.py` is about the engine's API, which is used where a server lacks a tool.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from lab import peers
from lab.transfers import send_many
from tests.e2e.support.transfer.cuts import until
from tests.e2e.support.transfer.images import Made, load, run
from tests.e2e.support.transfer.servers import (
    KEPT,
    OwnImages,
    Reach,
    TransferServers,
    bring,
    forget,
    kept,
    left_behind,
    packages,
    printed,
    reach,
    slow,
)

from ftl.events import LayerFinished
from ftl.image.transfer.archive.archive import sha256_digest
from ftl.image.transfer.remote.capabilities import cache_name, remove_unused_layers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Lab, Server

    from ftl.events import Event
    from ftl.image.transfer import TransferResult

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("newcomer")]

OFTEN = [("bookworm", "overlay2"), ("trixie", "containerd")]
SMALL = 10_000
"""Bytes that a text on top of an image takes, with all of its documents."""

SELDOM = [("trixie", "overlay2"), ("sid", "overlay2"), ("sid", "containerd")]


@pytest.fixture(
    scope="session",
    params=[*OFTEN, *(pytest.param(kind, marks=pytest.mark.nightly) for kind in SELDOM)],
    ids="-".join,
)
def machine(request: pytest.FixtureRequest, transfer_servers: TransferServers) -> Server:
    """A server of each kind; some of them in nightly tests only."""
    return transfer_servers.server(*request.param)


@pytest.fixture
def target(machine: Server) -> Iterator[Server]:
    """A server without images and with an empty cache."""
    yield machine
    machine.run("sh", "-c", "docker rmi --force $(docker images --quiet) 2>/dev/null", check=False)
    forget(machine)


def overlay(between: Reach) -> bool:
    """Whether the server has a graph driver, where a layer on another base is another layer."""
    return between.info.store == "overlay2"


def test_a_first_image_is_sent_whole_and_cached(target: Server, own_images: OwnImages) -> None:
    """All of its layers are sent and cached, and no staging tag stays."""

    async def work() -> TransferResult:
        async with reach(target) as between:
            made = own_images.of("one", packages(own_images.name))
            return await bring(between, made, own_images.tag("one"), own_images.tag("r1"))

    sent = run(work())
    assert (sent.layers_sent, sent.layers_reused, sent.layers_delta) == (3, 0, 0)
    assert printed(target, own_images.tag("r1")) == f"one {own_images.name}"
    assert left_behind(target) == ""
    assert len(kept(target)) == 3
    assert sum(kept(target).values()) <= sent.bytes_sent


def test_a_changed_top_layer_is_sent_alone(target: Server, own_images: OwnImages) -> None:
    """And whole, as it is too small for a delta."""

    async def work() -> TransferResult:
        async with reach(target) as between:
            await bring(
                between, own_images.image("one", "middle"), own_images.tag("one"), own_images.tag("r1")
            )
            return await bring(
                between, own_images.image("two", "middle"), own_images.tag("two"), own_images.tag("r2")
            )

    sent = run(work())
    assert (sent.layers_sent, sent.layers_reused, sent.layers_delta) == (1, 2, 0)
    assert sent.bytes_sent < SMALL
    for word, release in (("one", "r1"), ("two", "r2")):
        assert printed(target, own_images.tag(release)) == f"{word} {own_images.name}"


def test_a_changed_middle_layer_is_sent_as_a_delta(target: Server, own_images: OwnImages) -> None:
    """Two more packages, and new times; layers above it that a graph driver lacks come from the cache."""
    events: list[Event] = []
    old = packages(own_images.name)
    new = packages(own_images.name, 62, mtime=1_700_000_000)

    async def work() -> tuple[bool, TransferResult]:
        async with reach(target) as between:
            await bring(between, own_images.of("one", old), own_images.tag("r1"), own_images.tag("r1"))
            slow(target)
            made = own_images.of("one", new)
            sent = await bring(between, made, own_images.tag("r2"), own_images.tag("r2"), events.append)
            return overlay(between), sent

    is_overlay, sent = run(work())
    assert (sent.layers_sent, sent.layers_reused, sent.layers_delta) == (1, 2, 1)
    assert sent.layers_kept == (1 if is_overlay else 0)
    assert sent.bytes_sent < 2 * 40_000 + 40_000 < len(new) / 15
    assert sent.bytes_saved > len(old) / 2
    ways = [event.way for event in events if isinstance(event, LayerFinished)]
    assert sorted(ways) == (["delta", "kept"] if is_overlay else ["delta"])
    assert printed(target, own_images.tag("r2")) == f"one {own_images.name}"
    listed = target.docker("run", "--rm", own_images.tag("r2"), "/bin/busybox", "ls", "/lib")
    assert len(listed.split()) == 62


def test_a_machine_without_the_old_image_sends_a_delta_too(target: Server, own_images: OwnImages) -> None:
    """Another developer's, or CI that starts empty: the server describes its cached layer."""
    old = packages(own_images.name)
    new = packages(own_images.name, 62, mtime=1_700_000_000)

    async def work() -> TransferResult:
        async with reach(target) as between:
            await bring(between, own_images.of("one", old), own_images.tag("r1"), own_images.tag("r1"))
            await between.source.untag(own_images.tag("r1"))
            slow(target)
            return await bring(between, own_images.of("one", new), own_images.tag("r2"), own_images.tag("r2"))

    sent = run(work())
    assert (sent.layers_sent, sent.layers_reused, sent.layers_delta) == (1, 2, 1)
    assert sent.bytes_sent < 2 * 40_000 + 40_000
    assert printed(target, own_images.tag("r2")) == f"one {own_images.name}"
    assert left_behind(target) == ""


def test_the_same_image_again_is_not_even_read(target: Server, own_images: OwnImages) -> None:
    """Under the same tag nothing happens, under another it is tagged."""

    async def work() -> list[TransferResult]:
        async with reach(target) as between:
            made = own_images.image("one")
            return [
                await bring(between, made, own_images.tag("one"), own_images.tag(there))
                for there in ("r1", "r1", "r2")
            ]

    _, again, renamed = run(work())
    assert [(sent.layers_sent, sent.bytes_sent) for sent in (again, renamed)] == [(0, 0), (0, 0)]
    assert printed(target, own_images.tag("r2")) == f"one {own_images.name}"


@contextmanager
def pulled(lab: Lab, target: Server, reference: str, base: Made) -> Iterator[None]:
    """Have the server pull an image from a registry, inside this context."""
    host, _, _ = reference.partition("/")

    async def put() -> None:
        async with reach(target) as between:
            await load(between.target, "pushed:1", base)

    with peers.registry(lab, host, "none") as registry:
        registry.trust(target)
        run(put())
        target.docker("tag", "pushed:1", reference)
        target.docker("push", reference)
        target.docker("rmi", reference, "pushed:1")
        target.docker("pull", reference)
        yield


def test_a_base_that_was_pulled_there(lab: Lab, target: Server, own_images: OwnImages) -> None:
    """On a graph driver it counts; the containerd store has its blobs under other digests, and it is sent."""
    host = f"base-{abs(hash(own_images.name)) % 10**6}.test"

    async def work() -> tuple[bool, TransferResult]:
        async with reach(target) as between:
            sent = await bring(between, own_images.image("one"), own_images.tag("one"), own_images.tag("r1"))
            return overlay(between), sent

    with pulled(lab, target, f"{host}/base:1", Made((own_images.base,))):
        is_overlay, sent = run(work())
    assert (sent.layers_sent, sent.layers_reused) == ((1, 1) if is_overlay else (2, 0))
    assert printed(target, own_images.tag("r1")) == f"one {own_images.name}"


def test_after_the_old_image_was_pruned_there(target: Server, own_images: OwnImages) -> None:
    """The engine no longer has it, but the cache has: nothing of the base is sent again."""

    async def work() -> TransferResult:
        async with reach(target) as between:
            await bring(between, own_images.image("one"), own_images.tag("one"), own_images.tag("r1"))
            target.docker("rmi", own_images.tag("r1"))
            target.docker("image", "prune", "--force", "--all")
            return await bring(between, own_images.image("two"), own_images.tag("two"), own_images.tag("r2"))

    sent = run(work())
    assert (sent.layers_sent, sent.layers_reused, sent.layers_kept) == (1, 1, 1)
    assert sent.bytes_sent < SMALL
    assert printed(target, own_images.tag("r2")) == f"two {own_images.name}"


def test_layers_leave_the_cache_with_the_last_image_that_has_them(
    target: Server, own_images: OwnImages
) -> None:
    """Those that another image has stay, and so do those that no image has had yet."""
    one, two = own_images.image("one"), own_images.image("two")
    cut = f"{'c' * 64}-9"

    async def work() -> None:
        async with reach(target) as between:
            await bring(between, one, own_images.tag("one"), own_images.tag("r1"))
            await bring(between, two, own_images.tag("two"), own_images.tag("r2"))
            target.run("touch", f"{KEPT}/{cut}")
            target.docker("rmi", own_images.tag("r1"))
            await remove_unused_layers(between.machine)
            await until(lambda: len(kept(target)) <= 3)

    run(work())
    names = {cache_name(sha256_digest(layer), len(layer)) for layer in two.layers}
    assert kept(target).keys() == {*names, cut}
    assert printed(target, own_images.tag("r2")) == f"two {own_images.name}"


def test_two_images_send_their_common_base_once(target: Server, own_images: OwnImages) -> None:
    """In one archive; and the next release of each has its own base layer."""
    layers = {word: packages(f"{own_images.name} {word}") for word in ("web", "api")}
    again = {word: packages(f"{own_images.name} {word}", 61) for word in ("web", "api")}

    async def work() -> list[dict[str, TransferResult]]:
        async with reach(target) as between:
            results = []
            for release, middle in (("r1", layers), ("r2", again)):
                slow(target)
                images: dict[str, str] = {}
                for word in ("web", "api"):
                    here = f"{own_images.name}-{word}:{release}"
                    await load(between.source, here, own_images.of(word, middle[word]))
                    images[here] = here
                results.append(
                    await send_many(
                        between.source,
                        images,
                        between.target,
                        info=between.info,
                        emit=print,
                        machine=between.machine,
                    )
                )
            for tag in [tag for result in results for tag in result]:
                await between.source.untag(tag)
            return results

    first, second = (list(result.values()) for result in run(work()))
    assert [sent.layers_sent for sent in first] == [3, 2]
    assert [sent.layers_delta for sent in second] == [1, 1]
    assert all(sent.bytes_sent < 100_000 for sent in second)
    for word in ("web", "api"):
        assert printed(target, f"{own_images.name}-{word}:r2") == f"{word} {own_images.name}"
    assert left_behind(target) == ""
