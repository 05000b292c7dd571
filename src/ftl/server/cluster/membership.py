"""Membership of a server in FTL's cluster: how it is stored there, and the ways out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.engine import labels
from ftl.engine.errors import is_leaderless
from ftl.errors import EngineError, FtlError
from ftl.host import crontab
from ftl.releases.store import write_notify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator

    from ftl.engine.calls.swarm import Swarm
    from ftl.host.session import Session

MEMBERSHIP_VOLUME = "ftl-cluster"
"""Volume whose label has the engine's node in FTL's cluster; see `ClusterFacts.stored_node`."""

_IN_A_SWARM = 503
"""Status with which an engine refuses to begin or join a Swarm while it is in one (20.10 to 29)."""

_CONSENSUS_SECONDS = 30.0
_REACH_SECONDS = 10.0
_END_SECONDS = 30.0
_PAUSE = 0.3


FormerConnector = Callable[[str], AbstractAsyncContextManager["Session"]]
"""Connects to a server that is no longer in the file, by its name."""


class SwarmJoin:
    """One server's way into a Swarm: its begin or its join."""

    def __init__(self) -> None:
        self._refused = False

    async def make(self, call: Coroutine[object, object, None]) -> None:
        """Make the call to its end: the engine would continue it after we have left.

        Raises:
            EngineError: The engine refused it, or failed.
        """
        try:
            await shielded(call)
        except EngineError as error:
            self._refused = error.status == _IN_A_SWARM
            raise

    async def undo(self, leave: Callable[[], Awaitable[None]]) -> None:
        """Leave the Swarm, unless it is one of somebody else, begun since FTL looked."""
        if not self._refused:
            await leave()


async def store_membership(session: Session) -> None:
    """Note on the server itself that its membership is FTL's."""
    node = (await session.engine.swarm.state()).node
    if await _stored_node(session) != node:
        await _remove_volume(session)
        own = {labels.ROLE: labels.ROLE_CLUSTER, labels.CLUSTER: node}
        await session.engine.create_volume(MEMBERSHIP_VOLUME, own)


async def forget(session: Session) -> None:
    """Leave the Swarm, and remove the volume that names its node."""
    await session.engine.swarm.leave()
    await _remove_volume(session)


async def _stored_node(session: Session) -> str | None:
    """The node that the volume has; None where there is no volume."""
    volumes = await session.engine.volumes(labels={labels.ROLE: labels.ROLE_CLUSTER})
    return next(
        (volume.labels.get(labels.CLUSTER, "") for volume in volumes if volume.name == MEMBERSHIP_VOLUME),
        None,
    )


async def _remove_volume(session: Session) -> None:
    """Remove the volume if there is one.

    For a volume that it does not have, an engine in a Swarm asks the leader, and one of 20.10 does not understand
    the question of one of 26.1.
    """
    if await _stored_node(session) is not None:
        await session.engine.remove_volume(MEMBERSHIP_VOLUME)


async def remove_node(swarm: Swarm, node: str, *, is_manager: bool) -> None:
    """Remove a node from the Swarm; a manager is made a worker first.

    Raises:
        EngineError: It cannot be removed.
    """

    async def remove() -> None:
        if is_manager:
            # It is no member of the managers any more, after a recovery for example.
            with suppress(EngineError):
                await swarm.update_node(node, role="worker")
        await swarm.remove_node(node)

    await after_consensus(remove)


async def after_consensus(call: Callable[[], Awaitable[None]]) -> None:
    """Make a call that the Swarm refuses for a moment: until all managers know of one before.

    Raises:
        EngineError: It was refused for half a minute.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _CONSENSUS_SECONDS
    while True:
        try:
            await call()
        except EngineError:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(_PAUSE)
        else:
            return


@contextmanager
def passing_leaderless() -> Iterator[None]:
    """Pass over an error because the leader has stepped down between two questions."""
    try:
        yield
    except EngineError as error:
        if not is_leaderless(error):
            raise


class FormerServer:
    """A server that is no longer in the file; without a session where it cannot be reached."""

    def __init__(self, session: Session | None, project: str) -> None:
        self._session = session
        self._project = project

    async def end_jobs(self) -> bool:
        """Have its cron do nothing for the project any more; False: it may still do."""
        session = self._session
        return session is not None and await _tried(_end_jobs(session, self._project))

    async def leave(self) -> bool:
        """End its membership of the Swarm, which has removed its node; False: it may still have one."""
        return self._session is not None and await _tried(forget(self._session))


@asynccontextmanager
async def former_server(
    connect_former: FormerConnector, server: str, node: str, project: str
) -> AsyncIterator[FormerServer]:
    """Reach a server if it can be, and still is this node: its name may lead elsewhere."""
    async with AsyncExitStack() as stack:
        session = None
        with suppress(FtlError, TimeoutError):
            async with asyncio.timeout(_REACH_SECONDS):
                found = await stack.enter_async_context(connect_former(server))
                if (await found.engine.swarm.state()).node == node:
                    session = found
        yield FormerServer(session, project)


async def _end_jobs(session: Session, project: str) -> None:
    await crontab.write(session.machine, project, ())
    await crontab.write_catch_up(session.machine, project, "", ())
    with suppress(FtlError):  # no store: it was no manager
        await write_notify(session.engine, project, b"")
    with suppress(FtlError):  # it can send nothing anyway
        await crontab.write_notifications(session.machine, project, certificates=False, posts=False)


async def _tried(call: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(_END_SECONDS):
            await call
    except (FtlError, TimeoutError):
        return False
    return True
