"""Tests of transfers to real servers by the engine's API: every engine and store."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from lab.transfers import send, send_many
from tests.e2e.support.transfer.images import Ends, Form, Made, ends, load, run
from tests.e2e.support.transfer.servers import OwnImages, TransferServers, left_behind, printed

from ftl.events import Event, LayerFinished, Note, TransferFinished, TransferProgress, TransferStarted
from ftl.image.transfer.archive.archive import sha256_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Server

    from ftl.image.transfer import TransferResult

pytestmark = pytest.mark.server

SUITES = os.environ.get("FTL_TEST_SUITES", "bookworm,trixie").split(",")
"""The servers' Debian releases, of `bookworm,trixie,sid`."""

TARGETS = [
    (suite, store)
    for suite, store in [
        ("bookworm", "overlay2"),
        ("trixie", "overlay2"),
        ("trixie", "containerd"),
        ("sid", "overlay2"),
        ("sid", "containerd"),
    ]
    if suite in SUITES
]


@pytest.fixture(scope="session", params=TARGETS, ids="-".join)
def machine(request: pytest.FixtureRequest, transfer_servers: TransferServers) -> Server:
    """A server of each kind."""
    return transfer_servers.server(*request.param)


@pytest.fixture
def target(machine: Server) -> Iterator[Server]:
    """A server without images."""
    yield machine
    machine.run("sh", "-c", "docker rmi --force $(docker images --quiet) 2>/dev/null", check=False)


async def bring(
    between: Ends, made: Made, here: str, there: str, events: list[Event] | None = None
) -> TransferResult:
    """Load an image on this machine and send it."""
    await load(between.source, here, made)
    emitted = events if events is not None else []
    return await send(between.source, here, between.target, tag=there, info=between.info, emit=emitted.append)


def test_a_first_image_is_sent_whole_and_runs(target: Server, own_images: OwnImages) -> None:
    """All of its layers are sent, it is tagged, and no staging tag stays."""

    async def work() -> TransferResult:
        async with ends(target) as between:
            return await bring(
                between, own_images.image("one", "middle"), own_images.tag("one"), own_images.tag("r1")
            )

    sent = run(work())
    assert (sent.image, sent.layers_sent, sent.layers_reused) == (own_images.tag("r1"), 3, 0)
    assert printed(target, own_images.tag("r1")) == f"one {own_images.name}"
    assert left_behind(target) == ""


def test_a_changed_top_layer_is_sent_alone(target: Server, own_images: OwnImages) -> None:
    """The layers below are on the server from the release before."""

    async def work() -> tuple[TransferResult, TransferResult]:
        async with ends(target) as between:
            first = await bring(
                between, own_images.image("one", "middle"), own_images.tag("one"), own_images.tag("r1")
            )
            second = await bring(
                between, own_images.image("two", "middle"), own_images.tag("two"), own_images.tag("r2")
            )
            return first, second

    first, second = run(work())
    assert (second.layers_sent, second.layers_reused) == (1, 2)
    assert second.bytes_sent < min(5000, first.bytes_sent / 100)
    assert printed(target, own_images.tag("r1")) == f"one {own_images.name}"
    assert printed(target, own_images.tag("r2")) == f"two {own_images.name}"


def test_a_changed_middle_layer_is_sent_with_those_that_the_store_cannot_reuse(
    target: Server, own_images: OwnImages
) -> None:
    """On overlay2 all layers above it are other ones; the containerd store has them as blobs."""

    async def work() -> tuple[Ends, TransferResult]:
        async with ends(target) as between:
            await bring(
                between, own_images.image("one", "a", "b"), own_images.tag("one"), own_images.tag("r1")
            )
            return between, await bring(
                between, own_images.image("one", "x", "b"), own_images.tag("two"), own_images.tag("r2")
            )

    between, sent = run(work())
    assert (sent.layers_sent, sent.layers_reused) == ((3, 1) if between.info.store == "overlay2" else (1, 3))
    assert printed(target, own_images.tag("r2")) == f"one {own_images.name}"


def test_the_same_image_again_is_not_even_read(target: Server, own_images: OwnImages) -> None:
    """Under the same tag nothing happens, under another it is tagged: no byte is sent."""
    events: list[Event] = []

    async def work() -> list[TransferResult]:
        async with ends(target) as between:
            await bring(between, own_images.image("one"), own_images.tag("one"), own_images.tag("r1"))
            return [
                await send(
                    between.source,
                    own_images.tag("one"),
                    between.target,
                    tag=own_images.tag(there),
                    info=between.info,
                    emit=events.append,
                )
                for there in ("r1", "r2")
            ]

    for sent in run(work()):
        assert (sent.layers_sent, sent.layers_reused, sent.bytes_sent) == (0, 2, 0)
    assert not any(isinstance(event, TransferProgress) for event in events)
    assert printed(target, own_images.tag("r2")) == f"one {own_images.name}"


def test_an_untagged_image_there_is_only_tagged(target: Server, own_images: OwnImages) -> None:
    """It lost its tag to a newer image, but a container still uses it."""

    async def work() -> TransferResult:
        async with ends(target) as between:
            await bring(between, own_images.image("one"), own_images.tag("one"), own_images.tag("latest"))
            target.docker("create", "--name", "keeper", own_images.tag("latest"))
            await bring(between, own_images.image("two"), own_images.tag("two"), own_images.tag("latest"))
            return await bring(between, own_images.image("one"), own_images.tag("one"), own_images.tag("r1"))

    try:
        sent = run(work())
    finally:
        target.docker("rm", "--force", "keeper")
    assert sent.bytes_sent == 0
    assert printed(target, own_images.tag("r1")) == f"one {own_images.name}"
    assert printed(target, own_images.tag("latest")) == f"two {own_images.name}"


@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_a_base_that_was_loaded_without_ftl(target: Server, own_images: OwnImages, form: Form) -> None:
    """On overlay2 it counts; on the containerd store its blobs have other digests, and everything is sent."""
    base = Made((own_images.base,))

    async def work() -> tuple[Ends, TransferResult]:
        async with ends(target) as between:
            await load(between.target, own_images.tag("base"), base, form=form)
            return between, await bring(
                between, own_images.image("one"), own_images.tag("one"), own_images.tag("r1")
            )

    between, sent = run(work())
    assert sent.layers_reused == (1 if between.info.store == "overlay2" else 0)
    assert printed(target, own_images.tag("r1")) == f"one {own_images.name}"


def test_after_the_old_image_was_removed_there(target: Server, own_images: OwnImages) -> None:
    """Layers that were sent once and removed are sent again."""

    async def work() -> TransferResult:
        async with ends(target) as between:
            await bring(between, own_images.image("one"), own_images.tag("one"), own_images.tag("r1"))
            target.docker("rmi", own_images.tag("r1"))
            return await bring(between, own_images.image("two"), own_images.tag("two"), own_images.tag("r2"))

    sent = run(work())
    assert (sent.layers_sent, sent.layers_reused) == (2, 0)
    assert printed(target, own_images.tag("r2")) == f"two {own_images.name}"


def test_the_new_image_outlives_the_old_one(target: Server, own_images: OwnImages) -> None:
    """Layers that it shares with the old release stay when that is removed: it can be saved, run and built on."""

    async def work() -> TransferResult:
        async with ends(target) as between:
            await bring(between, own_images.image("one"), own_images.tag("one"), own_images.tag("r1"))
            await bring(between, own_images.image("two"), own_images.tag("two"), own_images.tag("r2"))
            target.docker("rmi", own_images.tag("r1"))
            target.run("sh", "-c", 'docker save "$1" > /dev/null', "sh", own_images.tag("r2"))
            return await bring(
                between, own_images.image("three"), own_images.tag("three"), own_images.tag("r3")
            )

    assert run(work()).layers_reused == 1
    for word, release in (("two", "r2"), ("three", "r3")):
        assert printed(target, own_images.tag(release)) == f"{word} {own_images.name}"


def test_two_images_send_their_common_base_once(target: Server, own_images: OwnImages) -> None:
    """In one archive; each is tagged and has its own result."""
    events: list[Event] = []

    async def work() -> dict[str, TransferResult]:
        async with ends(target) as between:
            for word in ("web", "api"):
                await load(between.source, own_images.tag(word), own_images.image(word))
            images = {own_images.tag(f"{word}-r1"): own_images.tag(word) for word in ("web", "api")}
            return await send_many(
                between.source, images, between.target, info=between.info, emit=events.append
            )

    web, api = run(work()).values()
    assert (web.layers_sent, web.layers_reused, api.layers_sent, api.layers_reused) == (2, 0, 1, 1)
    assert 0 < api.bytes_sent < web.bytes_sent
    assert {event.image for event in events if isinstance(event, TransferFinished)} == {web.image, api.image}
    for word in ("web", "api"):
        assert printed(target, own_images.tag(f"{word}-r1")) == f"{word} {own_images.name}"
    assert left_behind(target) == ""


def test_one_image_under_two_tags_is_sent_once(target: Server, own_images: OwnImages) -> None:
    """Two services may use the same image."""

    async def work() -> dict[str, TransferResult]:
        async with ends(target) as between:
            await load(between.source, own_images.tag("one"), own_images.image("one"))
            images = {
                own_images.tag("web"): own_images.tag("one"),
                own_images.tag("worker"): own_images.tag("one"),
            }
            return await send_many(between.source, images, between.target, info=between.info, emit=print)

    sent = run(work())
    assert [each.layers_sent for each in sent.values()] == [2, 0]
    assert printed(target, own_images.tag("worker")) == f"one {own_images.name}"


def test_a_layer_may_occur_twice(target: Server, own_images: OwnImages) -> None:
    """One blob serves both positions, also when only one of the two is missing."""
    once, twice = own_images.image("one", "a"), own_images.image("one", "a")
    twice = replace(twice, layers=(*twice.layers, twice.layers[1], twice.layers[2]))

    async def work() -> TransferResult:
        async with ends(target) as between:
            await bring(between, once, own_images.tag("once"), own_images.tag("r1"))
            return await bring(between, twice, own_images.tag("twice"), own_images.tag("r2"))

    run(work())
    assert printed(target, own_images.tag("r2")) == f"one {own_images.name}"


def test_layers_that_only_seemed_present_are_sent_after_all(target: Server, own_images: OwnImages) -> None:
    """An image that looks like FTL's but has compressed blobs fails verification, and is sent whole, with a note."""
    events: list[Event] = []

    async def work() -> tuple[Ends, TransferResult]:
        async with ends(target) as between:
            await load(between.target, own_images.tag("r1"), own_images.image("one"), form="gzip")
            sent = await bring(
                between, own_images.image("two"), own_images.tag("two"), own_images.tag("r2"), events
            )
            return between, sent

    between, sent = run(work())
    notes = [event.text for event in events if isinstance(event, Note)]
    if between.info.store == "containerd":
        assert (sent.layers_sent, sent.layers_reused) == (2, 0)
        assert notes == [f"{target.name} lacks layers that it seemed to have: sending the whole image"]
    else:
        assert (sent.layers_sent, sent.layers_reused, notes) == (1, 1, [])
    assert printed(target, own_images.tag("r2")) == f"two {own_images.name}"
    assert left_behind(target) == ""


def test_an_image_with_volumes_leaves_none_behind(target: Server, own_images: OwnImages) -> None:
    """The container of the verification is removed with its volumes."""

    class WithVolume(Made):
        @property
        def config(self) -> bytes:
            return super().config.replace(b'"config": {', b'"config": {"Volumes": {"/data": {}}, ')

    made = own_images.image("one")

    async def work() -> None:
        async with ends(target) as between:
            await bring(
                between, WithVolume(made.layers, made.labels), own_images.tag("one"), own_images.tag("r1")
            )

    before = target.docker("volume", "ls", "--quiet")
    run(work())
    assert target.docker("volume", "ls", "--quiet") == before


def test_events_report_what_is_sent(target: Server, own_images: OwnImages) -> None:
    """A start with the totals, progress that reaches them, and an end with the result."""
    events: list[Event] = []
    made = own_images.image("one")

    async def work() -> TransferResult:
        async with ends(target) as between:
            return await bring(between, made, own_images.tag("one"), own_images.tag("r1"), events)

    sent = run(work())
    start, *middle, end = events
    assert isinstance(start, TransferStarted)
    assert (start.layers, start.layers_reused) == (2, 0)
    assert isinstance(middle[-1], TransferProgress)
    assert middle[-1].bytes_done == middle[-1].bytes_total >= start.bytes_total > 0
    layers = [event for event in middle if isinstance(event, LayerFinished)]
    assert sorted((event.layer, event.way) for event in layers) == sorted(
        (sha256_digest(tar), "whole") for tar in made.layers
    )  # in the order in which the engine saves them
    assert sum(event.size for event in layers) == middle[-1].bytes_done
    assert sent.link_speed > 0
    assert end == TransferFinished(
        sent.image, 2, 0, sent.bytes_sent, sent.seconds, link_speed=sent.link_speed
    )
