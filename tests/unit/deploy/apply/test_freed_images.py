"""Notes about the space that a deploy frees by dropping images of old releases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.image_removal import drop_tags
from ftl.deploy.plan.steps.base import ONLY_SERVER
from ftl.deploy.plan.steps.images import DropTags
from ftl.engine import labels
from ftl.errors import EngineError
from ftl.events import Note
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, project, server

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.events import Event
    from ftl.ssh.machine import Machine

STEP = DropTags(("shop-web:r1", "shop-web:r2"), measured=True, servers=ONLY_SERVER)


def engine(*releases: str) -> FakeEngine:
    """An engine with images of these releases, of 1 kB each."""
    made = FakeEngine()
    for release in releases:
        made.add_image(f"shop-web:{release}", config={"Labels": {labels.PROJECT: "shop"}})
    return made


def dropped(there: FakeEngine, here: FakeEngine, step: DropTags = STEP) -> list[str]:
    """The notes of dropping the tags."""
    notes: list[str] = []

    def emit(event: Event) -> None:
        assert isinstance(event, Note)
        notes.append(event.text)

    asked = project()
    session = Session("host", cast("Machine", FakeMachine()), cast("Engine", there), INFO)
    clients = RunClients(asked, Path(), _engine=cast("Engine", here))
    context = DeployContext(asked, Path(), Fleet([session]), session, server(asked), "r4", emit, clients)

    async def drop() -> None:
        await drop_tags(context, step)

    asyncio.run(drop())
    return notes


def test_what_old_images_freed_is_said_of_each_machine() -> None:
    """By the engine's own measure before and after; nothing where nothing was removed."""
    first = dropped(engine("r1", "r2", "r3"), engine("r2", "r3"))
    assert first == [
        "images of old releases are removed: 2.0 kB freed on host",
        "images of old releases are removed: 1.0 kB freed on this machine",
    ]
    assert dropped(engine("r3"), engine("r3")) == []


def test_a_prune_says_the_sum_itself() -> None:
    """Its step has no note."""
    assert dropped(engine("r1"), engine("r1"), replace(STEP, measured=False)) == []


@pytest.mark.parametrize("fault", ["slow", "old"])
def test_an_engine_that_does_not_measure_says_nothing(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One before Docker 23, or one that takes too long: the images go all the same."""

    async def measured(_: FakeEngine, *, seconds: float) -> int | None:
        if fault == "slow":
            raise EngineError(f"no answer within {seconds:g} s")
        return None

    monkeypatch.setattr(FakeEngine, "layers_size", measured)
    there = engine("r1", "r3")
    assert dropped(there, engine()) == []
    assert [tag for image in asyncio.run(there.images()) for tag in image.tags] == ["shop-web:r3"]
