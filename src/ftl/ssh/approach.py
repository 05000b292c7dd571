"""The machine of a project, and the way to it while something else is done."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.ssh.local import Local
from ftl.ssh.openssh import arriving, connect
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.config import Server
    from ftl.ssh.connecting import Way
    from ftl.ssh.machine import Machine


def machine_of(server: Server) -> Machine:
    """The machine that an ftl.yaml names, not entered yet."""
    return Local() if server.is_local else connect(target_of(server))


def machine_at(way: Way) -> Machine:
    """The same for one that has been set out to."""
    return arriving(way.begun) if way.begun is not None else machine_of(way.server)


@asynccontextmanager
async def approached(machine: Machine) -> AsyncIterator[Machine]:
    """A machine that is being connected to meanwhile; whoever enters it waits for the rest, and hears what went wrong.

    So the round trips of a connection pass while the program is loaded. At the end the machine is closed.
    """
    beginning = asyncio.create_task(machine.likely_engine_url())
    try:
        yield machine
    finally:
        beginning.cancel()
        try:
            await asyncio.wait([beginning])
        finally:
            await machine.close()
        if not beginning.cancelled():
            beginning.exception()  # entering has told
