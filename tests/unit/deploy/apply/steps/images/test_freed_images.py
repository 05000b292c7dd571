"""Images of old releases that are dropped: notes about the space, and cached layers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.project import Build
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext, Freed
from ftl.deploy.apply.steps.images.removal import RUNNERS, drop_tags
from ftl.deploy.plan.steps.base import ONLY_SERVER
from ftl.deploy.plan.steps.images import DropTags, RemoveImages
from ftl.engine import labels
from ftl.engine.values import CacheRecord
from ftl.errors import EngineError, ServerError
from ftl.events import Note
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.image.building.dropped import look_first, note_build
from tests.support.fake_engine import CACHED_BYTES, FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.apply.steps.images.world import context_on
from tests.unit.deploy.world import INFO, project, server, service

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.engine.api import Engine
    from ftl.events import Event
    from ftl.ssh.machine import Machine

STEP = DropTags(("shop-web:r1", "shop-web:r2"), measured=True, servers=ONLY_SERVER)


def engine(*releases: str) -> FakeEngine:
    """An engine with images of these releases, of 1 kB each: 500 bytes are of a layer that all have."""
    made = FakeEngine()
    for release in releases:
        layers = ("sha256:base", f"sha256:of-{release}")
        made.add_image(f"shop-web:{release}", config={"Labels": {labels.PROJECT: "shop"}}, layers=layers)
    return made


def dropped(
    there: FakeEngine,
    here: FakeEngine,
    step: DropTags = STEP,
    freed: Freed | None = None,
    *,
    asked: Project | None = None,
) -> list[str]:
    """The notes of dropping the tags; the sums are added to `freed`."""
    notes: list[str] = []

    def emit(event: Event) -> None:
        assert isinstance(event, Note)
        notes.append(event.text)

    asked = replace(asked or project(), keep_releases=1)
    session = Session("host", cast("Machine", FakeMachine()), cast("Engine", there), INFO)
    clients = RunClients(asked, Path(), _engine=cast("Engine", here))
    context = DeployContext(
        asked, Path(), Fleet([session]), session, server(asked), "r4", emit, clients, freed=freed or Freed()
    )

    async def drop() -> None:
        await drop_tags(context, step)

    asyncio.run(drop())
    return notes


def test_what_old_images_freed_is_said_of_each_machine() -> None:
    """By the engine's own measure before and after; nothing where nothing was removed."""
    freed = Freed()
    first = dropped(engine("r1", "r2", "r3"), engine("r2", "r3"), freed=freed)
    assert first == [
        "images of old releases are removed: 2.0 kB freed on host",
        "images and build leftovers of old releases are removed: 1.0 kB freed on this machine",
    ]
    assert (freed.there, freed.here, freed.estimated) == (2000, 1000, False)
    assert dropped(engine("r3"), engine("r3")) == []


def test_a_prune_says_the_sum_itself() -> None:
    """Its step has no note."""
    assert dropped(engine("r1"), engine("r1"), replace(STEP, measured=False)) == []


@pytest.mark.parametrize("fault", ["slow", "old", "slow at the end"])
def test_where_the_engine_does_not_measure_it_is_estimated(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the layers that no image of the project has any more: before Docker 23, or where it takes too long."""
    measure, number = FakeEngine.layers_size, 0

    async def measured(self: FakeEngine, *, seconds: float) -> int | None:
        nonlocal number
        number += 1
        if fault == "old":
            return None
        if fault == "slow" or number % 2 == 0:
            raise EngineError(f"no answer within {seconds:g} s")
        return await measure(self, seconds=seconds)

    monkeypatch.setattr(FakeEngine, "layers_size", measured)
    there, freed = engine("r1", "r2", "r3"), Freed()
    assert dropped(there, engine("r1"), freed=freed) == [
        "images of old releases are removed: at most 1.0 kB freed on host",
        "images and build leftovers of old releases are removed: at most 1.0 kB freed on this machine",
    ]
    assert (freed.there, freed.here, freed.estimated) == (1000, 1000, True)
    assert [tag for image in asyncio.run(there.images()) for tag in image.tags] == ["shop-web:r3"]


def test_an_image_that_another_release_has_frees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a rollback: only its tag is dropped."""

    async def measured(_: FakeEngine, *, seconds: float) -> int | None:
        return None

    monkeypatch.setattr(FakeEngine, "layers_size", measured)
    there = engine("r1", "r3")
    there.add_image("shop-web:r4", asyncio.run(there.image("shop-web:r1")))
    assert dropped(there, engine()) == []
    tags = {tag for image in asyncio.run(there.images()) for tag in image.tags}
    assert tags == {"shop-web:r3", "shop-web:r4"}


def test_what_goes_of_the_build_cache_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer of an image that was dropped, which only this machine's cache still had."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    here, freed = engine("r3"), Freed()
    now = time.time()
    here.cache.append(CacheRecord("layer", "regular", now, shared=True))

    async def build() -> None:
        await note_build(cast("Engine", here), "shop", now - 1)
        await look_first(cast("Engine", here), "shop")

    asyncio.run(build())
    here.cache = [replace(one, shared=False) for one in here.cache]
    assert dropped(engine("r3"), here, freed=freed) == [
        f"images and build leftovers of old releases are removed: {CACHED_BYTES} B freed on this machine"
    ]
    assert (freed.there, freed.here, freed.estimated) == (0, CACHED_BYTES, False)


@pytest.mark.parametrize(
    ("place", "goes"), [("server", True), ("host", True), ("elsewhere", False), (None, False)]
)
def test_what_goes_of_a_servers_build_cache_is_counted(
    place: str | None, goes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server built the image, which `build.on` says."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    there, now = engine("r3"), time.time()
    there.cache.append(CacheRecord("layer", "regular", now, shared=True))

    async def build() -> None:
        await note_build(cast("Engine", there), "shop", now - 1)
        await look_first(cast("Engine", there), "shop")

    asyncio.run(build())
    there.cache = [replace(one, shared=False) for one in there.cache]
    notes = dropped(there, FakeEngine(name="here"), asked=project(service(build=Build(on=place))))
    text = f"images and build leftovers of old releases are removed: {CACHED_BYTES} B freed on host"
    assert notes == ([text] if goes else [])


SCRIPT = "ftl-unused-layers"


@pytest.mark.parametrize(
    ("step", "times"),
    [
        (DropTags(("shop-web:r1",)), 1),
        (DropTags(("shop-web:r1",), here=True), 0),
        (RemoveImages(("sha256:old",)), 1),
        (RemoveImages(("sha256:old",), here=True), 0),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_cached_layers_leave_with_images(step: DropTags | RemoveImages, times: int, fails: bool) -> None:
    """On the server that had the images; that it cannot be done there stops nothing."""

    async def work() -> int:
        context = context_on(FakeEngine(images=["shop-web:r1"]), FakeEngine(), is_local=False)
        machine = context.machine
        assert isinstance(machine, FakeMachine)
        if fails:
            machine.answer(SCRIPT, answer=CommandOutput(error=ServerError("the connection was lost")))
        await RUNNERS.of_class(type(step))(context, step)
        await context.end_tasks()
        return sum(SCRIPT in command for command in machine.commands)

    assert asyncio.run(work()) == times
