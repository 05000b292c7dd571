"""A job that is run by hand: which container, its log, and who may."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.deploy.command_line import GivenCommand
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.errors import FtlError, LockTaken, UsageError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.processes.jobs import JobRequest, run_job
from ftl.releases.store import ensure_store, read_history
from tests.support.fake_container import Behavior
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.child import Completed
    from ftl.engine.api import Engine
    from ftl.engine.values import LogLine
    from ftl.ssh.machine import Machine

NAME = "shop.job.nightly"


class Server(FakeMachine):
    """A server whose script starts a job, and where a deploy replaces the job's container at once."""

    def __init__(self, lock: str = "mine", job: str = "") -> None:
        super().__init__()
        self.engine = FakeEngine(images=["web"])
        self.engine.behaviors["web"] = Behavior(3, 0.5, ("cleaned up",))
        self._job = job
        self.answer(
            "ftl-deploy-lock", answer=CommandOutput(stdout=f"{lock}\n".encode(), stays=lock == "mine")
        )

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Start the container, and give its name to another one."""
        if "ftl-job" in argv and not self._job:
            container = self.engine.by_name[argv[-2]].id
            await self.engine.start(container)
            await self.engine.rename(container, f"{argv[-2]}.old-1")
            await self.add()
            self.answer("ftl-job", answer=CommandOutput(stdout=f"started {container}\n".encode()))
        elif "ftl-job" in argv:
            self.answer("ftl-job", answer=CommandOutput(stdout=f"{self._job}\n".encode()))
        return await super().run(argv, stdin=stdin, timeout=timeout)

    async def add(self) -> None:
        """Create the job's container."""
        label_map = {
            labels.PROJECT: "shop",
            labels.SERVICE: "web",
            labels.ROLE: labels.ROLE_JOB,
            labels.JOB: "nightly",
            labels.SCHEDULE: "15 3 * * *",
            labels.WHEN: "15 03 * * * both UTC 1800",
        }
        await self.engine.create(NAME, ContainerSpec(image="web", labels=label_map, restart="no"))

    async def job(self, name: str = "nightly") -> tuple[int, list[str]]:
        """Run a job: its status, and what it wrote."""
        lines: list[LogLine] = []
        engine = cast("Engine", self.engine)
        await ensure_store(engine, "web")
        await self.add()
        session = Session("server", cast("Machine", self), engine, await self.engine.info())
        request = JobRequest("shop", name, Path("/"), GivenCommand("jobs run", (name,)))
        status = await run_job(request, Fleet([session]), lines.append, lambda _: None)
        return status, [line.text for line in lines]

    async def audit(self) -> list[tuple[str, str]]:
        """Command and outcome of each line."""
        entries = (await read_history(cast("Engine", self.engine), "shop")).audit
        return [(entry.command, entry.outcome) for entry in entries]


def test_the_container_that_was_started_is_followed_by_its_id() -> None:
    """A deploy gives its name to another one meanwhile; the deploy can, for the lock is not held while the job runs."""

    async def scenario() -> None:
        server = Server()

        async def deploy() -> None:
            while [process.returncode for process in server.processes] != [0]:
                await asyncio.sleep(0.01)
            assert server.engine.by_name[f"{NAME}.old-1"].state == "running"
            assert await server.audit() == [("jobs run nightly", "done")]

        (status, lines), _ = await asyncio.gather(server.job(), deploy())
        assert (status, lines) == (3, ["cleaned up"])
        assert server.engine.by_name[NAME].state == "created"

    asyncio.run(scenario())


def test_a_job_that_runs_is_not_started() -> None:
    """The server says so, whatever was listed before."""

    async def scenario() -> None:
        server = Server(job="running")
        with pytest.raises(FtlError, match="the job nightly is running") as caught:
            await server.job()
        assert "ftl logs --job nightly -f" in (caught.value.hint or "")
        assert await server.audit() == [("jobs run nightly", "failed")]

    asyncio.run(scenario())


def test_a_job_is_not_started_during_a_deploy() -> None:
    """Nor is one that does not exist."""

    async def scenario() -> None:
        server = Server(lock="held ann since 12:00")
        with pytest.raises(LockTaken, match="ann"):
            await server.job()
        assert not [command for command in server.commands if "ftl-job" in command]
        with pytest.raises(UsageError, match="no job `nigthly`"):
            await Server().job("nigthly")

    asyncio.run(scenario())
