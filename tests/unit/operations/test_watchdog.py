"""FTL's side of the watchdog on a server."""

from __future__ import annotations

from ftl.operations.watchdog import watched
from tests.support.clock import run
from tests.support.fake_machine import CommandOutput, FakeMachine


def test_the_last_word_follows_the_first_lines() -> None:
    """Also of a command that ends before the watchdog's session begins: it would be taken for a line."""

    async def work() -> None:
        machine = FakeMachine()
        machine.answer("ftl-guard", answer=CommandOutput(stays=True))
        async with watched(machine, "exec", "box", "token"):
            pass
        (guard,) = machine.processes
        assert guard.received == b"\n\ndone\n"

    run(work())
