"""Prune and remove that waited for the lock: they tell what they removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.deploy.observe.snapshot import observe
from ftl.engine import labels
from ftl.operations.changes.prune import prune
from ftl.operations.changes.remove import ProjectObjects, RemoveResult, remove
from tests.support.clock import run
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.world import INFO
from tests.unit.operations.changes.contended import OPERATION, Contended, configured, three_releases

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.deploy.kills.model import Deploys


@pytest.fixture(autouse=True)
def no_engine_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine has no engine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")


async def another_network(deploys: Deploys) -> None:
    """Somebody removes the network `u_old`, and makes `u_new`."""
    await deploys.engine.remove_network("u_old")
    await deploys.engine.create_network("u_new", {labels.PROJECT: "u"})


async def removed(deploys: Deploys, machine: ModelMachine) -> RemoveResult:
    """Remove `u`."""

    async def confirm(_: ProjectObjects) -> None:
        """Agree."""

    return await remove(
        OPERATION, [machine], volumes=False, backups=False, emit=lambda _: None, confirm=confirm
    )


def test_a_prune_tells_what_it_removed() -> None:
    """Not what had gone by then; and what somebody left meanwhile, it removed as well."""
    deploys = three_releases()
    machine = Contended(deploys.engine, lambda: another_network(deploys))

    async def work() -> tuple[str, ...]:
        await deploys.engine.create_network("u_old", {labels.PROJECT: "u"})
        return (await prune(OPERATION, [machine], emit=lambda _: None)).found.networks

    assert run(work()) == ("u_new",)


def test_a_prune_keeps_as_many_releases_as_the_live_one_says() -> None:
    """A deploy that it waited for may have raised the number: r3 is kept since."""
    deploys = three_releases(keep=1)

    async def deploy() -> None:
        deploys.files["u"] = configured("4")
        await deploys._apply("u", (), "deploy")

    async def work() -> dict[str, bool]:
        await deploys.engine.create_network("u_old", {labels.PROJECT: "u"})
        await prune(OPERATION, [Contended(deploys.engine, deploy)], emit=lambda _: None)
        observed = await observe(deploys.engine, INFO, "u", "server")
        return {record.release: bool(record.project) for record in observed.releases}

    assert run(work()) == {"r1": False, "r2": False, "r3": True, "r4": True}


def test_a_removal_tells_what_it_removed() -> None:
    """The containers are those of a release that went live after it was asked for."""
    deploys = three_releases()

    async def deploy() -> None:
        deploys.files["u"] = configured("4")
        await deploys._apply("u", (), "deploy")

    result = run(removed(deploys, Contended(deploys.engine, deploy)))
    assert result.project_objects.containers == ("u-web-r4",)


def test_of_two_removals_at_once_the_second_removes_nothing() -> None:
    """And says so."""
    deploys = three_releases()
    first = ModelMachine(deploys.engine)
    result = run(removed(deploys, Contended(deploys.engine, lambda: removed(deploys, first))))
    assert result.plan.empty
    assert result.project_objects == ProjectObjects()
