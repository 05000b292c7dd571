"""Helper containers: removed at the end, with strays of killed commands; never others."""

from __future__ import annotations

import asyncio

import pytest

from ftl.engine import labels
from ftl.engine.helper import helper_container
from ftl.engine.specs import ContainerSpec
from tests.support.fake_engine import FakeEngine

IMAGE = "caddy:2"


def spec(project: str = "shop", service: str = "backups") -> ContainerSpec:
    """A helper of a project."""
    label_map = {labels.PROJECT: project, labels.ROLE: labels.ROLE_TRANSFER, labels.SERVICE: service}
    return ContainerSpec(image=IMAGE, labels=label_map, restart="no")


OTHERS = {
    "ftl-backups-shop": ContainerSpec(image=IMAGE, labels={}),
    "ftl-backups": spec("shop-2"),
    "ftl-state-files-1-1": spec(service="records"),
    "shop-backups-r1": ContainerSpec(image=IMAGE, labels={labels.PROJECT: "shop", labels.SERVICE: "backups"}),
}
"""Containers that only look like a helper: by their name, or by some of their labels."""


@pytest.mark.parametrize("fails", [False, True])
def test_a_helper_goes_with_its_strays_and_touches_nobody_else(fails: bool) -> None:
    """A stray has the labels, whatever its name: earlier versions called it `ftl-backups-PROJECT`."""

    async def check() -> None:
        engine = FakeEngine(images=[IMAGE])
        for name, other in OTHERS.items():
            await engine.start(await engine.create(name, other))
        for name in ("ftl-backups-of-0.1", "ftl-backups-00000000-1"):
            await engine.start(await engine.create(name, spec()))
        try:
            async with helper_container(engine, "ftl-backups", spec()) as container:
                assert len(engine.by_name) == len(OTHERS) + 1
                assert container in {one.id for one in engine.by_name.values()}
                if fails:
                    raise RuntimeError
        except RuntimeError:
            assert fails
        assert engine.by_name.keys() == OTHERS.keys()

    asyncio.run(check())


def test_helpers_of_one_command_do_not_remove_each_other() -> None:
    """Two folders of backups are removed at the same time."""

    async def check() -> None:
        engine = FakeEngine(images=[IMAGE])
        async with helper_container(engine, "ftl-backups", spec()):
            async with helper_container(engine, "ftl-backups", spec()):
                assert len(engine.by_name) == 2
            assert len(engine.by_name) == 1

    asyncio.run(check())


def test_a_helper_is_removed_by_its_id() -> None:
    """Somebody renames it, and gives its name to another container."""

    async def check() -> None:
        engine = FakeEngine(images=[IMAGE])
        async with helper_container(engine, "ftl-backups", spec()) as container:
            (name,) = engine.by_name
            await engine.rename(container, "mine")
            await engine.create(name, ContainerSpec(image=IMAGE, labels={}))
        assert engine.by_name.keys() == {name}

    asyncio.run(check())
