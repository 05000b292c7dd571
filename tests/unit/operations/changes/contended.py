"""A server with three releases, on which another operation comes first."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.config.models.project import Project, ProjectInfo, Server, Service
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.operation import OperationRequest
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.fake_machine import CommandOutput, FakeProcess
from tests.unit.deploy.kills.model import BACKEND, Deploys
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.world import INFO

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from ftl.ssh.machine import Machine
    from tests.unit.deploy.model_server import ModelEngine


@asynccontextmanager
async def connect(machines: Sequence[Machine], _emit: object) -> AsyncIterator[Fleet]:
    """Connect to a server in memory."""
    (machine,) = machines
    assert isinstance(machine, ModelMachine)
    yield Fleet([Session("server", machine, machine.engine, INFO)])


OPERATION = OperationRequest(
    "u",
    Server(host="server"),
    Path("/"),
    replace(BACKEND, connect=connect),
    GivenCommand("rollback", lock_wait=60.0),
)
"""One that waits for the lock, in a folder of no repository: git may be killed by the fake clock."""


class Contended(ModelMachine):
    """A server on which somebody else does something before this gets the lock."""

    def __init__(
        self, engine: ModelEngine, other: Callable[[], Awaitable[object]], *, held: bool = True
    ) -> None:
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


def configured(release: str, *, keep: int = 5) -> Project:
    """The project `u`, whose env tells the release."""
    web = Service(name="web", image="app:1", env={"RELEASE": release})
    info = ProjectInfo(name="u")
    return Project(project=info, server=Server(host="server"), services=(web,), keep_releases=keep)


def three_releases(*, keep: int = 5) -> Deploys:
    """A server with the releases r1, r2 and r3 of `u`."""
    model = Deploys()
    model.begin()
    for release in ("1", "2", "3"):
        model.files["u"], model.built["u"] = configured(release, keep=keep), "1"
        model._run("u")
    return model
