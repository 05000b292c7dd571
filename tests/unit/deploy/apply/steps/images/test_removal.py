"""Images are dropped: FTL removes what it brought or built, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.apply.context import ResolvedImage
from ftl.deploy.apply.steps.images.bring import push_pull
from ftl.deploy.apply.steps.images.removal import drop_pulled, drop_tags
from ftl.deploy.plan.records.retention import retention
from ftl.deploy.plan.steps.images import DropPulled, DropTags, PulledImage, PushPull
from ftl.engine import labels
from ftl.engine.marks import pull_mark
from ftl.events import Note
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.apply.steps.images.world import (
    DIGEST,
    REFERENCE,
    SERVICES,
    context_on,
    engine_with,
    left,
    own,
)
from tests.unit.deploy.world import project, server

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.values import Image
    from ftl.events import Event


def test_the_last_tag_of_an_image_is_dropped_after_its_others() -> None:
    """With it the engine removes the image: two at once might each take the other for the last."""

    async def check() -> None:
        remote = FakeEngine(images=["shop-s0:r1"])
        image = await remote.image("shop-s0:r1")
        assert image is not None
        for name in SERVICES[1:]:
            await remote.tag(image.id, f"shop-{name}:r1")
        remote.add_image(f"shop@sha256:{1:064x}", image)
        gate = remote.block("untag", number=len(SERVICES) - 1)
        context = context_on(remote, FakeEngine(), is_local=False)
        tags = tuple(f"shop-{name}:r1" for name in SERVICES)

        async def drop() -> None:
            await drop_tags(context, DropTags(tags))

        dropping = asyncio.create_task(drop())
        await gate.reached.wait()
        await asyncio.sleep(1)
        calls = [call for call in remote.calls if call.startswith("untag ")]
        assert len(calls) == len(SERVICES) - 1
        assert f"untag {tags[-1]}" not in calls
        gate.open.set()
        await dropping
        assert await remote.images() == []

    run(check())


def test_an_image_goes_with_all_names_that_ftl_gave_it() -> None:
    """And the step says what that freed."""
    notes: list[Event] = []

    async def check() -> None:
        engine, image = await engine_with()
        context = replace(context_on(engine, FakeEngine(), is_local=False), emit=notes.append)
        await drop_pulled(context, own(image))
        assert await left(engine) == []

    run(check())
    text = "pulled images of old releases are removed: 1.0 kB freed on server"
    assert notes == [Note(text)]


@pytest.mark.parametrize(
    ("tag", "owners", "stays", "expected"),
    [
        ("mine:1", ("shop",), False, {"mine:1"}),  # the user's; the digest goes with its last tag
        ("mine:1", ("shop",), True, {"mine:1", REFERENCE, DIGEST}),
        ("", ("shop", "other"), False, {REFERENCE, DIGEST, "other"}),
    ],
)
def test_names_that_others_gave_or_need_stay(
    tag: str, owners: tuple[str, ...], stays: bool, expected: set[str]
) -> None:
    """With them the image; the project's mark goes."""

    async def check() -> None:
        engine, image = await engine_with(*filter(None, (tag,)), owners=owners)
        await drop_pulled(context_on(engine, FakeEngine(), is_local=False), own(image, stays=stays))
        other = pull_mark("other", REFERENCE, image.id)
        assert other is not None
        assert await left(engine) == [{other.text if name == "other" else name for name in expected}]

    run(check())


@pytest.mark.parametrize("pinned", [DIGEST, "ghcr.io/acme/app:v0"])
def test_a_tag_goes_over_to_a_project_that_needs_the_digest(pinned: str) -> None:
    """With a repository's last tag the engine would drop its digests; the last project removes all of it."""

    async def check() -> None:
        engine, image = await engine_with()
        theirs = pull_mark("other", pinned, image.id)
        assert theirs is not None
        image = engine.add_image(theirs.text, image)
        context = context_on(engine, FakeEngine(), is_local=False)
        await drop_pulled(context, own(image))
        over = pull_mark("other", REFERENCE, image.id)
        assert over is not None
        assert await left(engine) == [{REFERENCE, DIGEST, theirs.text, over.text}]
        await drop_pulled(context, DropPulled((PulledImage(image.id, (theirs.text, over.text)),)))
        assert await left(engine) == []

    run(check())


def test_an_image_that_is_used_after_all_keeps_its_mark() -> None:
    """By the release that was just made; or the engine refuses it, and the next deploy tries again."""
    notes: list[Event] = []

    async def check() -> None:
        engine, image = await engine_with()
        context = context_on(engine, FakeEngine(), is_local=False)
        used = replace(context, images={"web": ResolvedImage(REFERENCE, image.id)})
        await drop_pulled(used, own(image))
        assert await left(engine) == [{REFERENCE, DIGEST, own(image).images[0].marks[0]}]
        engine.fail("untag", number=1)
        await drop_pulled(replace(context, emit=notes.append), own(image))
        assert await left(engine) == [{REFERENCE, DIGEST, own(image).images[0].marks[0]}]

    run(check())
    assert [note.text.partition(":v1")[0] for note in notes if isinstance(note, Note)] == [
        "the image ghcr.io/acme/app"
    ]


@pytest.mark.parametrize("fixed", [False, True])
def test_what_was_pushed_leaves_this_machine_with_its_release(fixed: bool) -> None:
    """With the name that it was pushed by, where that is its own; the newest has both tags of FTL's still."""

    async def check() -> None:
        local, remote = FakeEngine(name="here"), FakeEngine()
        remote.registry = local.registry
        context = context_on(remote, local, is_local=False)
        pushed = [await push(context, local, number, "v1" if fixed else f"v{number}") for number in (1, 2)]
        await drop_tags(context, DropTags(("shop-web:r1",)))
        (found,) = await left(local)
        version = "v1" if fixed else "v2"
        assert found >= {
            "shop-web:r2",
            "shop-web:latest",
            f"ghcr.io/acme/app:{version}",
            pushed[1].digests[0],
        }
        assert [image.id for image in await local.images()] == [pushed[1].id]
        await local.tag("shop-web:r2", "mine:1")
        await drop_tags(context, DropTags(("shop-web:r2", "shop-web:latest"), here=True))
        assert await left(local) == [{"mine:1"}]

    run(check())


def test_what_only_its_pushed_name_is_left_of_goes_with_the_next_release() -> None:
    """FTL was killed after it had dropped the release's own tags."""

    async def check() -> None:
        local, remote = FakeEngine(name="here"), FakeEngine()
        remote.registry = local.registry
        context = context_on(remote, local, is_local=False)
        for number in (1, 2, 3):
            await push(context, local, number, f"v{number}")
        await local.untag("shop-web:r1")
        await drop_tags(context, DropTags(("shop-web:r2",)))
        (found,) = await left(local)
        assert "shop-web:r3" in found

    run(check())


def test_names_of_an_image_that_another_release_runs_stay_here() -> None:
    """As after a rollback."""

    async def check() -> None:
        local, remote = FakeEngine(name="here"), FakeEngine()
        remote.registry = local.registry
        context = context_on(remote, local, is_local=False)
        image = await push(context, local, 1, "v1")
        await local.tag(image.id, "shop-web:r3")
        await drop_tags(context, DropTags(("shop-web:r1", "shop-web:latest")))
        assert {"shop-web:r3", REFERENCE} <= (await left(local))[0]

    run(check())


async def push(context: DeployContext, local: FakeEngine, number: int, version: str) -> Image:
    """Build a release here, and have it pushed and pulled."""
    image = local.add_image(
        "shop-web:latest",
        id=f"sha256:{number:012x}{number:052x}",
        config={"Labels": {labels.PROJECT: "shop"}},
    )
    reference = f"ghcr.io/acme/app:{version}"
    await push_pull(context, PushPull("web", image.id, reference, f"shop-web:r{number}", "linux/amd64"))
    return local.add_image(context.images["web"].pulled, await local.image(image.id))  # as engines do


def test_a_built_image_does_not_go_as_a_pulled_one() -> None:
    """Where the server itself pushed it, it has a mark, too: its tags of releases decide."""

    async def check() -> None:
        _, image = await engine_with()
        observed = replace(server(project()), images=(image,))
        assert [one.id for one in retention(observed, keep=1).unused_pulled()] == [image.id]
        built = replace(image, tags=(*image.tags, "shop-web:r1"), config={"Labels": {labels.PROJECT: "shop"}})
        assert retention(replace(observed, images=(built,)), keep=1).unused_pulled() == ()

    run(check())
