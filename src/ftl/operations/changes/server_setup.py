"""Setup of servers, as a line in the audit of the project that it was run for."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.inputs import author
from ftl.deploy.locked import locked
from ftl.errors import FtlError
from ftl.events import StepStarted
from ftl.host.fleet import open_fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from ftl.deploy.command_line import GivenCommand
    from ftl.events import Emit, Event
    from ftl.host.fleet import FleetConnector
    from ftl.ssh.machine import Machine

LOCK_SECONDS = 60.0
"""Limit for waiting for a deploy that is under way; after it, the line is left out."""


@dataclass(frozen=True, slots=True)
class SetupCall:
    """A setup that somebody runs for a project.

    Attributes:
        machines: Its servers as later commands log in to them, not entered yet.
    """

    project: str
    root: Path
    machines: Sequence[Machine]
    command: GivenCommand
    connect: FleetConnector = open_fleet


@asynccontextmanager
async def audited_setup(call: SetupCall, emit: Emit) -> AsyncIterator[Emit]:
    """Write an audit line for the changes of a block; yields the receiver of its events.

    The steps among these are the changes. The line comes after the setup, since a bare server has nothing that could be
    written to. Before the first deploy there is nowhere to write to, and a line is worth no error.
    """
    began = False

    def receive(event: Event) -> None:
        nonlocal began
        began = began or isinstance(event, StepStarted)
        emit(event)

    try:
        yield receive
    except FtlError as error:
        if began:
            await _tell(call, emit, error)
        raise
    if began:
        await _tell(call, emit, None)


async def _tell(call: SetupCall, emit: Emit, error: FtlError | None) -> None:
    by, command = (await author(call.root)).name, replace(call.command, lock_wait=LOCK_SECONDS)
    with suppress(FtlError):
        async with (
            call.connect(call.machines, emit) as fleet,
            locked(fleet, call.project, command=command, by=by, emit=emit),
        ):
            if error is not None:
                raise error
