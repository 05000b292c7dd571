"""Setup in the audit: a line where something was changed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.deploy.command_line import GivenCommand
from ftl.errors import FtlError
from ftl.events import Note, StepStarted
from ftl.host.session import Session
from ftl.operations.changes.server_setup import SetupCall, audited_setup
from ftl.releases.store import read_history
from tests.support.clock import run
from tests.unit.deploy.kills.model import Deploys
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.world import INFO
from tests.unit.operations.changes.contended import three_releases
from tests.unit.operations.changes.test_lock_first import fleet_of

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.events import Event

HARDEN = GivenCommand("setup", options=("--harden",))
STEP = StepStarted("harden", "disable root's login")


def lines(deploys: Deploys, *events: Event, error: FtlError | None = None) -> list[tuple[str, str, str]]:
    """Command, release and outcome of the lines that a setup with these events adds."""
    session = Session("server", ModelMachine(deploys.engine), deploys.engine, INFO)
    call = SetupCall("u", Path("/"), [session.machine], HARDEN, connect=fleet_of(session))
    received: list[Event] = []

    async def work() -> list[tuple[str, str, str]]:
        engine = cast("Engine", deploys.engine)
        before = len((await read_history(engine, "u")).audit)
        with suppress(FtlError):
            async with audited_setup(call, received.append) as emit:
                for event in events:
                    emit(event)
                if error is not None:
                    raise error
        entries = (await read_history(engine, "u")).audit[before:]
        return [(entry.command, entry.release, entry.outcome) for entry in entries]

    found = run(work())
    assert received == [*events]
    return found


@pytest.mark.parametrize(("error", "outcome"), [(None, "done"), (FtlError("sshd does not start"), "failed")])
def test_a_setup_that_changed_something_has_a_line(error: FtlError | None, outcome: str) -> None:
    """With its options: who disabled the password logins, and when."""
    deploys = three_releases()
    assert lines(deploys, STEP, error=error) == [("setup --harden", "r3", outcome)]


@pytest.mark.parametrize("error", [None, FtlError("it cannot be reached")])
def test_a_setup_that_changed_nothing_has_none(error: FtlError | None) -> None:
    """Nor is the server asked again where the first connection failed."""
    deploys = three_releases()
    assert lines(deploys, Note("swap is there"), error=error) == []


def test_before_the_first_deploy_there_is_nowhere_to_write_to() -> None:
    """And that is no error."""
    deploys = Deploys()
    deploys.begin()
    assert lines(deploys, STEP) == []
