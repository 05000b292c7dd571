"""Whose an image is: FTL marks what it brought for a project, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.apply.steps.images.bring import bring_image
from ftl.deploy.apply.steps.images.ownership import claim_image
from ftl.deploy.apply.steps.images.removal import drop_pulled
from ftl.deploy.plan.steps.images import BringImage, ClaimImage
from ftl.engine.marks import marks_on, pull_mark
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.apply.steps.images.world import DIGEST, REFERENCE, context_on, engine_with, own
from tests.unit.deploy.world import project


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
