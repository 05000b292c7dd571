"""Changes without a plan: the lock around them, its loss, and their line in the audit."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import pytest

from ftl.deploy.command_line import GivenCommand
from ftl.deploy.locked import locked
from ftl.errors import FtlError, LockTaken, ServerError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.locks.loss import cancelled_if_lost
from ftl.releases.audit import AuditEntry
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, read_history, write_audit, write_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ftl.engine.api import Engine
    from ftl.ssh.machine import Machine


async def _done() -> None:
    return None


class Change:
    """A change of the project `shop`, whose live release is r3."""

    def __init__(self, answer: str = "mine") -> None:
        self.machine = FakeMachine()
        self.machine.answer(
            "ftl-deploy-lock take",
            answer=CommandOutput(stdout=f"{answer}\n".encode(), stays=answer == "mine"),
        )
        self.engine = FakeEngine(images=["web"])

    async def run(self, work: Callable[[], Awaitable[None]] = _done) -> None:
        """Do it under the lock."""
        engine = cast("Engine", self.engine)
        session = Session("server", cast("Machine", self.machine), engine, await self.engine.info())
        await ensure_store(engine, "web")
        await write_record(engine, "shop", ReleaseRecord("r3", "live", 1.0, environment="staging"))
        await write_audit(engine, "shop", [AuditEntry(1.0, "ann@a", "deploy", "r3", "started")])
        async with locked(
            Fleet([session]),
            "shop",
            command=GivenCommand("restore", ("db",)),
            by="me@b",
            emit=lambda _: None,
        ):
            await work()

    async def audit(self) -> list[tuple[str, str, str]]:
        """Command, release and outcome of each line."""
        entries = (await read_history(cast("Engine", self.engine), "shop")).audit
        return [(entry.command, entry.release, entry.outcome) for entry in entries]


def test_a_change_is_in_the_audit_from_its_begin_to_its_end() -> None:
    """One that was killed before it counts as interrupted, since the lock was free."""

    async def scenario() -> None:
        change = Change()
        under_way: list[tuple[str, str, str]] = []

        async def work() -> None:
            under_way.extend(await change.audit())

        await change.run(work)
        assert under_way == [("deploy", "r3", "interrupted"), ("restore db", "r3", "started")]
        assert await change.audit() == [("deploy", "r3", "interrupted"), ("restore db", "r3", "done")]
        stored = (await read_history(cast("Engine", change.engine), "shop")).audit
        assert stored[-1].environment == "staging"
        assert [process.returncode for process in change.machine.processes] == [0]

    run(scenario())


@pytest.mark.parametrize(("error", "outcome"), [(FtlError("no"), "failed"), (KeyError(), "interrupted")])
def test_a_failed_change_is_in_the_audit(error: Exception, outcome: str) -> None:
    """A failure of its own, and anything else that ended it."""

    async def scenario() -> None:
        change = Change()

        async def work() -> None:
            raise error

        with pytest.raises(type(error)):
            await change.run(work)
        assert (await change.audit())[-1] == ("restore db", "r3", outcome)

    run(scenario())


def test_a_change_ends_when_the_lock_is_lost() -> None:
    """Another one may have begun: whatever it waits for is cancelled, and the task goes on afterwards."""

    async def scenario() -> None:
        change = Change()
        cleaned_up = False

        async def work() -> None:
            nonlocal cleaned_up
            await asyncio.sleep(2)
            change.machine.processes[0].kill()
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(1)
                cleaned_up = True

        with pytest.raises(ServerError, match=r"the deploy lock on shop\.example\.com was lost"):
            await change.run(work)
        assert cleaned_up
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert (await change.audit())[-1][2] == "failed"

    run(scenario())


def test_ctrl_c_is_no_lost_lock() -> None:
    """A cancellation from outside stays one, also when the lock is lost in the same moment."""

    async def scenario() -> None:
        change = Change()

        async def work() -> None:
            await asyncio.sleep(3600)

        task = asyncio.create_task(change.run(work))
        await asyncio.sleep(2)
        task.cancel()
        change.machine.processes[0].kill()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(scenario())


def test_nothing_is_done_while_another_has_the_lock() -> None:
    """Nor written."""

    async def scenario() -> None:
        change = Change("held ann since 12:00")

        async def work() -> None:
            raise AssertionError("it began")

        with pytest.raises(LockTaken, match="ann since 12:00"):
            await change.run(work)
        assert await change.audit() == [("deploy", "r3", "started")]

    run(scenario())


def test_a_lock_that_is_lost_as_the_block_fails_cancels_nothing_after_it() -> None:
    """A cut ends a call and the lock at the same moment: what follows, such as the audit, is not cancelled."""

    async def work() -> None:
        cut = asyncio.Event()

        async def beat() -> None:
            await cut.wait()
            raise ServerError("the deploy lock was lost")

        heartbeat = asyncio.create_task(beat())

        async def cut_off() -> None:
            async with cancelled_if_lost(heartbeat):
                await asyncio.sleep(0)
                cut.set()
                while not heartbeat.done():
                    await asyncio.sleep(0)
                raise ServerError("the call failed")

        with pytest.raises(ServerError, match="the call failed"):
            await cut_off()
        for _ in range(3):
            await asyncio.sleep(0)
        assert heartbeat.exception() is not None

    run(work())
