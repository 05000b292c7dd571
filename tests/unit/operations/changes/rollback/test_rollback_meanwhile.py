"""Rollback without a release's name, while others change what is live."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.deploy.command_line import GivenCommand
from ftl.errors import UsageError
from ftl.operations.changes.rollback.rollback import RollbackRequest, rollback
from ftl.releases.store import read_history
from tests.support.clock import run
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.operations.changes.contended import OPERATION, Contended, three_releases

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.ssh.machine import Machine
    from tests.unit.deploy.kills.model import Deploys


@pytest.fixture
def deploys() -> Deploys:
    """A server with the releases r1, r2 and r3."""
    return three_releases()


async def roll_back(machine: Machine, release: str | None = None, *, rebuild: bool = False) -> str:
    """Roll `u` back, waiting for the lock; the release that it restored."""
    request = RollbackRequest(OPERATION, release, rebuild=rebuild)
    return (await rollback(request, [machine], emit=lambda _: None)).restored


def env(deploys: Deploys) -> list[str]:
    """RELEASE in the env of the containers of `u`."""
    containers = deploys.engine.by_name.values()
    return [str(one.spec.env["RELEASE"]) for one in containers if "RELEASE" in one.spec.env]


@pytest.mark.parametrize(
    ("held", "rebuild"),
    [(True, False), (True, True), (False, True)],
    ids=["it waits before it looks", "it waits after it looked", "the lock is free by then"],
)
def test_of_two_rollbacks_at_once_the_second_does_not_take_the_first_one_back(
    deploys: Deploys, held: bool, rebuild: bool
) -> None:
    """It was meant for r3; the release before r4 is another one, which nobody asked for."""
    first = ModelMachine(deploys.engine)
    second = Contended(deploys.engine, lambda: roll_back(first), held=held)
    with pytest.raises(
        UsageError, match=r"^r4, a rollback to r2, went live while this waited; name a release"
    ) as refused:
        run(roll_back(second, rebuild=rebuild))
    assert "rollback RELEASE" in cast("str", refused.value.hint)
    assert env(deploys) == ["2"]


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_rollback_with_a_name_goes_there_whatever_went_live(deploys: Deploys, rebuild: bool) -> None:
    """It says what it wants."""
    first = ModelMachine(deploys.engine)
    second = Contended(deploys.engine, lambda: roll_back(first), held=True)
    assert run(roll_back(second, "r1", rebuild=rebuild)) == "r1"
    assert env(deploys) == ["1"]


def test_a_rollback_that_waited_for_what_made_no_release_goes_on(deploys: Deploys) -> None:
    """As behind a backup: the live release is still the one that it was meant for."""

    async def nothing() -> None:
        """Change nothing."""

    assert run(roll_back(Contended(deploys.engine, nothing, held=True))) == "r2"
    assert env(deploys) == ["2"]


def test_the_command_that_finishes_a_rollback_names_its_target(deploys: Deploys) -> None:
    """Without RELEASE it would go further back when it is run again; its options stay."""
    machine = ModelMachine(deploys.engine)
    command = GivenCommand("rollback", options=("--hold", "-m", "r3 loses sessions"))
    request = RollbackRequest(replace(OPERATION, command=command), hold="r3 loses sessions")

    async def work() -> str:
        await rollback(request, [machine], emit=lambda _: None)
        return (await read_history(cast("Engine", deploys.engine), "u")).audit[-1].command

    assert run(work()) == "rollback r2 --hold -m 'r3 loses sessions'"
