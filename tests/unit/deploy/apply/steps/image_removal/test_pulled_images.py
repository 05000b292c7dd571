"""Images of registries on an engine: FTL marks what it brought, and removes nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.apply.context import ResolvedImage
from ftl.deploy.apply.steps.image_removal import drop_pulled, drop_tags
from ftl.deploy.apply.steps.images import bring_image, claim_image, push_pull
from ftl.deploy.plan.records.retention import retention
from ftl.deploy.plan.steps.images import BringImage, ClaimImage, DropPulled, DropTags, PulledImage, PushPull
from ftl.engine import labels
from ftl.engine.marks import marks_on, pull_mark
from ftl.events import Note
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.apply.steps.test_shared_images import context_on
from tests.unit.deploy.world import project, server

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.values import Image
    from ftl.events import Event

REFERENCE = "ghcr.io/acme/app:v1"
DIGEST = f"ghcr.io/acme/app@sha256:{1:064x}"


async def engine_with(*tags: str, owners: tuple[str, ...] = ("shop",)) -> tuple[FakeEngine, Image]:
    """An engine with an image that was pulled, further tags of it, and the marks of these projects."""
    engine = FakeEngine(images=[REFERENCE])
    image = engine.add_image(DIGEST, await engine.image(REFERENCE))
    marks = (pull_mark(owner, REFERENCE, image.id) for owner in owners)
    for tag in (*tags, *(mark.text for mark in marks if mark is not None)):
        image = engine.add_image(tag, image)
    return engine, image


def own(image: Image, *, stays: bool = False) -> DropPulled:
    """The step that gives up an image."""
    marks = tuple(mark.text for mark in marks_on(image) if mark.project == "shop")
    return DropPulled((PulledImage(image.id, marks, stays),), measured=True)


async def left(engine: FakeEngine) -> list[set[str]]:
    """The names of each image that an engine has."""
    return [{*image.tags, *image.digests} for image in await engine.images()]


def test_an_image_for_messages_is_marked_and_one_that_cannot_be_had_is_a_note() -> None:
    """The release is live: the deploy goes on, and the next one tries again."""

    async def check() -> None:
        engine = FakeEngine()
        events: list[Event] = []
        context = replace(context_on(engine, FakeEngine(), is_local=False), emit=events.append)
        step = BringImage(REFERENCE, "linux/amd64", sends=True)
        await bring_image(context, step)
        (note,) = events
        assert isinstance(note, Note)
        assert note.level == "warning"
        assert note.text.startswith(
            f"the server may send no messages through apprise: the server cannot pull {REFERENCE}, and this"
        )
        assert note.hint == "check its name and tag"
        _, image = await engine_with(owners=())
        engine.registry[REFERENCE] = image
        await bring_image(context, step)
        (found,) = await engine.images()
        assert [mark.project for mark in marks_on(found)] == ["shop"]
        assert [event for event in events if isinstance(event, Note)] == [note]
        assert not context.images

    run(check())


def test_what_ftl_brings_is_marked_and_what_was_there_is_not() -> None:
    """Also where somebody has pulled it since the plan was made; what another project brought is claimed."""

    async def brought(*owners: str, there: bool) -> set[str]:
        engine, image = await engine_with(owners=owners)
        engine.registry[REFERENCE] = image
        if not there:
            engine = FakeEngine()
            engine.registry[REFERENCE] = image
        context = context_on(engine, FakeEngine(), is_local=False)
        await bring_image(context, BringImage(REFERENCE, "linux/amd64", ("web",)))
        found = await engine.image(REFERENCE)
        assert found is not None
        return {mark.project for mark in marks_on(found)}

    assert run(brought("shop", there=False)) == {"shop"}
    assert run(brought(there=True)) == set()
    assert run(brought("other", there=True)) == {"other", "shop"}


@pytest.mark.parametrize("name", [DIGEST, "ghcr.io/acme/app:v0", "mine:1"])
def test_what_was_there_by_another_name_is_not_marked(name: str) -> None:
    """Somebody pulled it by hand, or keeps it though its tag has moved; what FTL brought before is marked again."""

    async def brought(*owners: str) -> set[str]:
        engine = FakeEngine()
        image = engine.add_image(name)
        for mark in (pull_mark(owner, name, image.id) for owner in owners):
            assert mark is not None
            image = engine.add_image(mark.text, image)
        context = context_on(engine, FakeEngine(), is_local=False)
        context = replace(context, observed=replace(context.observed, images=(image,)))
        engine.registry[REFERENCE] = image
        await bring_image(context, BringImage(REFERENCE, "linux/amd64", ("web",)))
        found = await engine.image(REFERENCE)
        assert found is not None
        assert found.id == image.id
        return {mark.project for mark in marks_on(found) if mark.reference == REFERENCE}

    assert run(brought()) == set()
    assert run(brought("shop")) == run(brought("other")) == {"shop"}


def test_the_proxys_image_and_built_ones_have_no_mark() -> None:
    """All projects share the first; the others have tags of FTL's own."""

    async def check() -> None:
        engine = FakeEngine()
        built = f"shop-db:c{1:012x}"
        for name, number in (("caddy:2", 1), (built, 2)):
            engine.registry[name] = FakeEngine().add_image(name, id=f"sha256:{number:064x}")
        context = context_on(engine, FakeEngine(), is_local=False)
        db = Dependency(name="db", image=built, build=project().services[0].build)
        context = replace(context, project=project(dependencies=(db,)))
        await bring_image(context, BringImage("caddy:2", "linux/amd64"))
        await bring_image(context, BringImage(built, "linux/amd64", ("db",)))
        assert [marks_on(image) for image in await engine.images()] == [(), ()]

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


def test_an_image_is_claimed_by_the_names_that_it_was_brought_by() -> None:
    """Whoever gives it up last removes these."""

    async def check() -> None:
        engine, image = await engine_with(owners=("other",))
        context = context_on(engine, FakeEngine(), is_local=False)
        await claim_image(context, ClaimImage(f"{REFERENCE}@{DIGEST.partition('@')[2]}"))
        found = await engine.image(image.id)
        assert found is not None
        assert {mark.reference for mark in marks_on(found)} == {REFERENCE}
        await drop_pulled(context, own(found))
        other = await engine.image(image.id)
        assert other is not None
        assert [mark.project for mark in marks_on(other)] == ["other"]

    run(check())


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
