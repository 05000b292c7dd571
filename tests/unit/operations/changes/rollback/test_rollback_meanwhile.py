"""Rollback without a release's name, while others change what is live."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.project import Project, ProjectInfo, Server, Service
from ftl.deploy.opening import OperationRequest
from ftl.errors import UsageError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.changes.rollback.rollback import RollbackRequest, rollback
from tests.support.clock import run
from tests.support.fake_machine import CommandOutput, FakeProcess
from tests.unit.deploy.model import BACKEND, Deploys
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.world import INFO

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from ftl.ssh.machine import Machine
    from tests.unit.deploy.model_server import ModelEngine


class Contended(ModelMachine):
    """A server on which somebody else does something before this gets the lock."""

    def __init__(self, engine: ModelEngine, other: Callable[[], Awaitable[object]], *, held: bool) -> None:
        super().__init__(engine)
        self._other = other
        self._held = held
        self._done = False

    async def start(self, argv: Sequence[str]) -> Process:
        """Refuse the lock once, if somebody has it; give it once they have ended."""
        if self._held:
            self._held = False
            process = FakeProcess(CommandOutput(stdout=b"held anna since 12:00\n"))
            self.processes.append(process)
            return process
        if not self._done:
            self._done = True
            await self._other()
        return await super().start(argv)


@pytest.fixture
def deploys(monkeypatch: pytest.MonkeyPatch) -> Deploys:
    """A server with the releases r1, r2 and r3 of the project `u`, each of another configuration."""
    model = Deploys()
    model.begin()
    for release in ("1", "2", "3"):
        web = Service(name="web", image="app:1", env={"RELEASE": release})
        model.files["u"] = Project(
            project=ProjectInfo(name="u"), server=Server(host="server"), services=(web,)
        )
        model.built["u"] = "1"
        model._run("u")

    @asynccontextmanager
    async def open_fleet(machines: Sequence[ModelMachine]) -> AsyncIterator[Fleet]:
        yield Fleet([Session("server", machines[0], model.engine, INFO)])

    monkeypatch.setattr("ftl.deploy.opening.open_fleet", open_fleet)
    return model


async def roll_back(machine: Machine, release: str | None = None, *, rebuild: bool = False) -> str:
    """Roll `u` back, waiting for the lock; the release that it restored."""
    operation = OperationRequest("u", Server(host="server"), Path(), BACKEND, lock_wait=60.0)
    request = RollbackRequest(operation, release, rebuild=rebuild)
    return (await rollback(request, [machine], emit=lambda _: None)).target


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
