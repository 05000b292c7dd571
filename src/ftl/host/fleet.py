"""Fleet: the open sessions of a command, by server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.errors import FtlError
from ftl.host.session import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from ftl.host.session import Session
    from ftl.ssh.machine import Machine


class Fleet:
    """The sessions of a project's servers. With one server it holds one.

    Attributes:
        missing: Server that does not answer -> why.
    """

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


FleetConnector = Callable[["Sequence[Machine]"], AbstractAsyncContextManager[Fleet]]
"""Connects to servers, as `open_fleet` does."""


@asynccontextmanager
async def open_fleet(machines: Sequence[Machine]) -> AsyncIterator[Fleet]:
    """Connect to servers and their engines, side by side; everything is closed at the end.

    Of several servers, one that does not answer is left out.

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

    try:
        results = await gather(connect(machine) for machine in machines)
        sessions = [result for result in results if not isinstance(result, FtlError)]
        missing = {
            machine.name: result
            for machine, result in zip(machines, results, strict=True)
            if isinstance(result, FtlError)
        }
        if not sessions:
            raise next(iter(missing.values()))
        yield Fleet(sessions, missing)
    finally:
        # Without the error of what the sessions are used for: it would name the last server.
        await stack.aclose()
