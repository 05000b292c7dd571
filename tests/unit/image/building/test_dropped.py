"""Build cache of images that were dropped: what is removed of it, and when."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.engine import convert
from ftl.engine.values import CacheRecord
from ftl.image.building.dropped import EVERY, look_first, note_build, remove_dropped
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.engine.api import Engine

KEPT = 3
"""Releases whose images stay."""


class Machine:
    """A machine that builds: each build adds a layer, one of another stage, and drops an old image.

    The builds are an hour apart.
    """

    def __init__(self) -> None:
        self.fake = FakeEngine()
        self.engine = cast("Engine", self.fake)
        self.builds = 0

    async def build(self, project: str = "shop") -> None:
        """Build and deploy."""
        self.builds += 1
        began = time.time() - 100_000 + self.builds * 3600
        self.fake.clock_ahead(began + 5 - time.time())
        for name, kind, shared in (
            ("layer", "regular", True),
            ("stage", "regular", False),
            ("mount", "exec.cachemount", False),
        ):
            self.fake.cache.append(CacheRecord(f"{name}-{self.builds}", kind, began + 2, shared))
        await note_build(self.engine, project, began)

    async def drop(self, project: str = "shop") -> None:
        """Drop the image of the release before the last ones."""
        await look_first(self.engine, project)
        gone = f"layer-{self.builds - KEPT}"
        self.fake.cache = [replace(one, shared=False) if one.id == gone else one for one in self.fake.cache]
        await remove_dropped(self.engine, project, keep=KEPT)

    @property
    def layers(self) -> list[str]:
        """The records of layers."""
        return [one.id for one in self.fake.cache if one.id.startswith("layer")]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_the_layers_of_dropped_images_are_bounded() -> None:
    """However many builds there are; records of other stages and mounts are left to the engine."""

    async def scenario() -> None:
        machine, most = Machine(), 0
        for _ in range(40):
            await machine.build()
            await machine.drop()
            most = max(most, len(machine.layers))
        assert KEPT < most <= 2 * KEPT
        assert len([one for one in machine.fake.cache if one.id.startswith(("stage", "mount"))]) == 80
        looks = machine.fake.reads.count("build_cache")
        assert looks <= 40 // KEPT + 1

    asyncio.run(scenario())


def test_cache_of_others_is_not_touched() -> None:
    """Of another project, made at another time, or of an image that somebody else has removed."""

    async def scenario() -> None:
        machine = Machine()
        theirs = CacheRecord("layer-theirs", "regular", time.time() - 50_000, shared=True)
        machine.fake.cache.append(theirs)
        for _ in range(20):
            await machine.build()
            await machine.drop()
            machine.fake.cache = [
                replace(one, shared=False) if one.id == theirs.id else one for one in machine.fake.cache
            ]
        assert theirs.id in machine.layers
        before = machine.layers
        for _ in range(EVERY):
            await machine.drop("other")
        assert machine.layers == before

    asyncio.run(scenario())


def test_an_engine_that_does_not_answer_is_no_error() -> None:
    """It costs only disk space; the next look does what this one did not."""

    async def scenario() -> None:
        machine = Machine()
        for _ in range(EVERY + 1):
            await machine.build()
        machine.fake.fail("build_cache")
        await machine.drop()
        assert len(machine.layers) == EVERY + 1

    asyncio.run(scenario())


def test_records_of_the_engine_are_read() -> None:
    """Those that a build uses are left out."""
    item = {
        "ID": "a",
        "Type": "regular",
        "CreatedAt": "2026-11-29T13:08:33.822134158Z",
        "Shared": True,
        "InUse": False,
    }
    found = convert.build_cache({"BuildCache": [item, {**item, "InUse": True}, {**item, "CreatedAt": "?"}]})
    assert found == (
        CacheRecord("a", "regular", 1795957713.822134, shared=True),
        CacheRecord("a", "regular", 0.0, shared=True),
    )


def test_an_engine_that_never_says_what_is_shared_is_asked_once() -> None:
    """A look that found no layers was one: deploys do not wait for the next."""

    async def scenario() -> None:
        machine = Machine()
        await machine.build()
        machine.fake.cache = [replace(one, shared=False) for one in machine.fake.cache]
        for _ in range(3):
            await look_first(machine.engine, "shop")
        await machine.build()
        await look_first(machine.engine, "shop")
        assert machine.fake.reads.count("build_cache") == 1

    asyncio.run(scenario())
