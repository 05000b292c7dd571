"""The locks of several servers, held as one, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.locked import deploy_locks, known_holder, lock_servers
from ftl.errors import LockTaken, ServerError
from ftl.events import Note
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.locks.lock import DeployLock
from ftl.locks.several import all_taken, look
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine, FakeProcess
from tests.unit.deploy.world import INFO
from tests.unit.locks.managers import managers

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from ftl.events import Event


class OneLock(FakeMachine):
    """A server with a lock that one command can have.

    Attributes:
        answer_line: Given in place of the lock, if it is set.
        seconds: Until it answers.
        held: The commands that have it.
        most: The most that had it at once.
    """

    def __init__(self, name: str, answer: str = "") -> None:
        super().__init__(name)
        self.answer_line = answer
        self.seconds = 0.05
        self.held: list[FakeProcess] = []

    async def start(self, argv: Sequence[str]) -> Process:
        """Take it, if it is free."""
        await asyncio.sleep(self.seconds)
        self.commands.append(tuple(argv))
        self.held = [one for one in self.held if one.returncode is None]
        line = self.answer_line or ("held ann@a" if self.held else "mine")
        process = FakeProcess(CommandOutput(stdout=f"{line}\n".encode(), stays=line == "mine"))
        if line == "mine":
            self.held.append(process)
        return process

    @property
    def is_free(self) -> bool:
        """Whether nobody has it."""
        return all(one.returncode is not None for one in self.held)


async def hold(
    machines: Sequence[FakeMachine], *, wait: float = 0.0, seconds: float = 0.0, lose: int = 0
) -> list[Event]:
    """Hold the locks of servers, lose some, and go on for some seconds; the events."""
    events: list[Event] = []
    locks = [DeployLock(machine, "shop", "ID") for machine in machines]
    async with all_taken(locks, "me@b", wait=wait, emit=events.append) as heartbeat:
        for machine in machines[:lose]:
            assert isinstance(machine, OneLock)
            machine.held[-1].kill()
        await asyncio.wait({heartbeat}, timeout=seconds)
        if heartbeat.done():
            heartbeat.result()
    return events


def three() -> list[OneLock]:
    """Three servers."""
    return [OneLock(name) for name in "abc"]


def test_all_are_asked_at_once_and_all_are_given_back() -> None:
    """Three servers take as long as one."""
    machines = three()

    async def work() -> float:
        began = asyncio.get_running_loop().time()
        assert await hold(machines) == []
        return asyncio.get_running_loop().time() - began

    assert run(work()) == pytest.approx(0.05)
    assert [len(machine.commands) for machine in machines] == [1, 1, 1]
    assert all(machine.is_free for machine in machines)


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_one_that_somebody_has_refuses_and_frees_the_others(taken: int) -> None:
    """Whoever reaches other servers than we do has one of ours, too. The refusal names him."""
    machines = three()
    machines[taken].answer_line = "held ann@a"
    with pytest.raises(LockTaken, match=f"shop on {'abc'[taken]} has been locked by ann@a"):
        run(hold(machines))
    assert all(machine.is_free for machine in machines)


def test_of_two_at_once_one_gets_them_all() -> None:
    """They reach different servers, and meet at two of them; the other one gets them afterwards."""
    a, b, c = three()
    d = OneLock("d")

    async def work(*, wait: float) -> tuple[bool, bool]:
        async def attempt(machines: Sequence[OneLock]) -> bool:
            with suppress(LockTaken):
                await hold(machines, wait=wait, seconds=5)
                return True
            return False

        one, two = await asyncio.gather(attempt([a, b, c]), attempt([b, c, d]))
        return one, two

    assert sorted(run(work(wait=0.0))) == [False, True]
    assert run(work(wait=60.0)) == (True, True)
    assert all(machine.is_free for machine in (a, b, c, d))


def test_a_server_that_cannot_lock_is_named_and_stops_nobody() -> None:
    """Unless most cannot: somebody else may get those."""
    machines = three()
    machines[1].answer_line = "failed there is no `flock` on the server"
    (note,) = run(hold(machines))
    assert isinstance(note, Note)
    assert note.text.startswith("cannot take the deploy lock on b: ")
    assert note.hint == "there is no `flock` on the server"
    machines[2].answer_line = machines[1].answer_line
    with pytest.raises(ServerError, match="cannot take the deploy lock on b"):
        run(hold(machines))
    assert machines[0].is_free
    assert len(run(hold(machines[:2]))) == 1


@pytest.mark.parametrize(("lose", "is_lost"), [(1, False), (2, True)])
def test_they_are_lost_when_most_are(lose: int, *, is_lost: bool) -> None:
    """A server that is lost meanwhile is one that everybody loses."""
    machines = three()
    if is_lost:
        with pytest.raises(ServerError, match="was lost"):
            run(hold(machines, seconds=30, lose=lose))
    else:
        assert run(hold(machines, seconds=30, lose=lose)) == []
    assert all(machine.is_free for machine in machines)


def test_a_command_that_is_ended_frees_what_it_has() -> None:
    """Ctrl-C while one of them does not answer."""
    machines = three()
    machines[2].seconds = 60.0

    async def work() -> None:
        task = asyncio.create_task(hold(machines, seconds=600))
        await asyncio.sleep(5)
        task.cancel()
        await asyncio.wait({task})

    run(work())
    assert [len(machine.held) for machine in machines] == [1, 1, 0]
    assert all(machine.is_free for machine in machines)


def test_a_change_needs_the_locks_of_the_managers_that_can_change_the_cluster() -> None:
    """In the order of their IDs, whatever the file says; not of one that is cut off, nor of a worker."""

    def session(name: str, *, leads: bool = True) -> Session:
        info = replace(INFO, node=name, is_manager=True, has_leader=leads, times_begun=1)
        return Session(name, FakeMachine(name), FakeEngine(name=name), info)

    worker = Session("w", FakeMachine("w"), FakeEngine(), replace(INFO, node="w"))
    every = [session("c"), worker, session("b", leads=False), session("a")]
    assert [one.name for one in lock_servers(Fleet(every))] == ["a", "c"]
    assert [one.name for one in lock_servers(Fleet([worker]))] == ["w"]
    assert [one.name for one in lock_servers(Fleet([session("b", leads=False)]))] == ["b"]


@pytest.mark.parametrize(
    ("answers", "holder", "silent"),
    [
        (("free", "free", "free"), "", ""),
        (("held ann@a", "free", "free"), "ann@a", ""),
        (("free", "free", "held ann@a"), "ann@a", ""),
        (("failed there is no `flock`", "held ann@a", "free"), "ann@a", "a"),
        (("goes-on the server", "held ann@a", "held ann@a"), "ann@a", ""),
        (("free", "failed there is no `flock`", "goes-on the server"), "the server", "b"),
        (("failed there is no `flock`", "free", "free"), "", "a"),
    ],
)
def test_whoever_has_one_of_them_changes_the_project(
    answers: tuple[str, ...], holder: str, silent: str
) -> None:
    """He may reach other managers than we do. The words of the locks that cannot be looked at name their server."""
    fleet = managers(*answers)
    found, problems = run(look(deploy_locks(fleet, "shop")))
    assert found == run(known_holder(fleet, "shop"))
    assert (found.name if found is not None else "") == holder
    assert [problem.message[-1] for problem in problems] == list(silent)
