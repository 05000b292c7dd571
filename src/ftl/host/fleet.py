"""Fleet: the open sessions of a command, by server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ftl.aio import cancel
from ftl.engine.labels import NODE_HOST
from ftl.errors import FtlError, ServerError
from ftl.events import Note
from ftl.host.session import open_session
from ftl.ssh.openssh import may_ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.ssh.machine import Machine


class Fleet:
    """The sessions of a project's servers, one or more, and why the `missing` do not answer."""

    def __init__(self, sessions: Sequence[Session], missing: Mapping[str, FtlError] | None = None) -> None:
        self.missing = missing or {}
        self._by_name = {session.name: session for session in sessions}
        self._first = max(sessions, key=_rank)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._by_name.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the servers that answer."""
        return tuple(self._by_name)

    @property
    def first(self) -> Session:
        """The only session; of several that of the first manager with a leader, which has the lock.

        A manager that is cut off from the others can change nothing, and answers. Of two clusters the newer one counts.
        """
        return self._first

    def at(self, server: str) -> Session:
        """The session of a server; of the first one where `server` is empty.

        Raises:
            KeyError: The fleet has no such server; a plan names none.
        """
        return self._by_name[server] if server else self._first

    def require(self, server: str) -> Session:
        """The session of a server that something is on; of the first one where `server` is empty.

        Raises:
            FtlError: It does not answer.
        """
        if server in self.missing:
            raise self.missing[server]
        return self.at(server)


def _rank(session: Session) -> tuple[bool, bool, int]:
    """Rank of a server by its knowledge of the cluster; among equals the first one counts."""
    info = session.info
    return (info.is_manager, info.has_leader, info.times_begun)


FleetConnector = Callable[["Sequence[Machine]", "Emit"], AbstractAsyncContextManager[Fleet]]
"""Connects to servers, as `open_fleet` does."""


GRACE = 2.0
"""Seconds that servers have after a manager of their cluster has answered.

Then the Swarm is asked which are down.
"""

PATIENCE = 1.0
"""Seconds after that in which a command that only reads waits for a server that is not down.

Also from one question to the Swarm to the next.
"""


@asynccontextmanager
async def open_fleet(machines: Sequence[Machine], emit: Emit, *, reads: bool = False) -> AsyncIterator[Fleet]:
    """Connect to servers and their engines, side by side; everything is closed at the end.

    Of several servers, one that does not answer is left out: as soon as the Swarm calls it down, too, or when ssh
    gives it up.

    `machines` are not entered yet; `emit` receives notes about servers that it waits for. With `reads` nothing is
    changed, so that a server that is slow to answer may be left out; not where ssh may be asking for something on the
    terminal.

    Raises:
        ServerError: The only one, or none, can be reached, or no engine answers there.
    """
    if len(machines) == 1:
        async with open_session(machines[0]) as session:
            yield Fleet([session])
        return
    stack = AsyncExitStack()

    async def connect(machine: Machine) -> Session | FtlError:
        try:
            return await stack.enter_async_context(open_session(machine))
        except FtlError as error:
            return error

    tasks = {machine.name: asyncio.create_task(connect(machine)) for machine in machines}
    try:
        missing = await _wait(tasks, emit, reads=reads and not may_ask())
        results = {name: task.result() for name, task in tasks.items() if name not in missing}
        sessions = [result for result in results.values() if not isinstance(result, FtlError)]
        missing |= {name: result for name, result in results.items() if isinstance(result, FtlError)}
        if not sessions:
            raise next(iter(missing.values()))
        yield Fleet(sessions, missing)
    finally:
        await cancel(*tasks.values())
        # Without the error of what the sessions are used for: it would name the last server.
        await stack.aclose()


@asynccontextmanager
async def open_readable(machines: Sequence[Machine], emit: Emit) -> AsyncIterator[Fleet]:
    """Connect as `open_fleet` does, for a command that only reads."""
    async with open_fleet(machines, emit, reads=True) as fleet:
        yield fleet


async def _wait(
    tasks: Mapping[str, asyncio.Task[Session | FtlError]], emit: Emit, *, reads: bool
) -> dict[str, FtlError]:
    """Wait until servers have answered, or need not be waited for: these, and why."""
    pending = set(tasks.values())
    manager: Session | None = None
    while pending and manager is None:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        answers = [task.result() for task in done]
        manager = next(
            (one for one in answers if not isinstance(one, FtlError) and one.info.has_leader), None
        )
    if not pending or manager is None:
        return {}
    missing: dict[str, FtlError] = {}
    noted: set[str] = set()
    _, pending = await asyncio.wait(pending, timeout=GRACE)
    while pending:
        down = await _down(manager)
        given_up = {name for name, task in tasks.items() if task in pending and name in down}
        missing |= {
            name: ServerError(f"{name} is down", cause=f"the cluster says so, as {manager.name} knows")
            for name in given_up
        }
        pending -= {tasks[name] for name in given_up}
        waited_for = {name for name, task in tasks.items() if task in pending}
        if not reads:
            for name in sorted(waited_for - noted):
                emit(Note(f"waiting for {name}: no answer yet, and the cluster does not call it down"))
            noted |= waited_for
        if pending:
            _, pending = await asyncio.wait(pending, timeout=PATIENCE)
        if pending and reads:
            return missing | {
                name: ServerError(f"{name} does not answer, and {manager.name} has for some seconds")
                for name, task in tasks.items()
                if task in pending
            }
    return missing


async def _down(manager: Session) -> frozenset[str]:
    """Hosts that a project calls servers which the Swarm calls down."""
    with suppress(FtlError):
        hosts: dict[str, bool] = {}
        for node in await manager.engine.swarm.nodes():
            for label, host in node.labels.items():
                if label.startswith(f"{NODE_HOST}."):
                    hosts[host] = node.is_lost and hosts.get(host, True)
        return frozenset(host for host, is_lost in hosts.items() if is_lost)
    return frozenset()
