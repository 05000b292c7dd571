"""Images that the engine has, and its list leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.observe.snapshot import observe
from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord
from ftl.releases.store import ensure_store, write_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.world import INFO, project

if TYPE_CHECKING:
    from ftl.engine.values import Store

REPOSITORY = "ghcr.io/acme/app"
PINS = {number: f"{REPOSITORY}@sha256:{number:064x}" for number in (1, 2, 3, 4)}


def record(release: str, service: str, dependency: str, *, kept: bool = True) -> ReleaseRecord:
    """A release that had two images pulled."""
    return ReleaseRecord(
        release,
        "live",
        0.0,
        services={"web": ServiceRecord(release, f"{REPOSITORY}:{release}", "", "", "", service)},
        dependencies={"db": DependencyRecord("postgres:16", "", dependency)},
        project=project().to_dict() if kept else {},
    )


@pytest.mark.parametrize(("store", "seen"), [("containerd", {1, 2, 3}), ("overlay2", {3})])
def test_pulled_images_that_the_list_leaves_out_are_asked_for_by_the_names_of_kept_releases(
    store: Store, seen: set[int]
) -> None:
    """With the containerd store, which can lack a layer as it was pulled; none is asked for that is gone or listed."""

    async def look() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        made = {number: engine.add_image(PINS[number]).id for number in (1, 2, 3)}
        engine.unlisted = {made[1], made[2]}
        await write_record(engine, "shop", record("r1", PINS[4], PINS[4], kept=False))
        await write_record(engine, "shop", record("r2", PINS[1], PINS[2]))
        await write_record(engine, "shop", record("r3", PINS[1], PINS[3]))
        engine.reads.clear()
        found = await observe(engine, replace(INFO, store=store), "shop", "server")
        assert [image.id for image in found.images if image.id in made.values()].count(made[1]) == (1 in seen)
        assert {image.id for image in found.images} & {*made.values()} == {made[number] for number in seen}
        asked = {call.split()[1] for call in engine.reads if call.startswith("image ")}
        assert asked & {*PINS.values()} == ({PINS[1], PINS[2]} if store == "containerd" else set())

    run(look())
