"""Apply a cluster's steps over the open sessions; undo the joins of a failed run."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather_all, shielded
from ftl.engine import labels
from ftl.errors import EngineError, FtlError
from ftl.events import Note
from ftl.execution.reporting import reported
from ftl.execution.undo import UndoStack
from ftl.server.cluster.network import ClusterNetwork
from ftl.server.cluster.steps import (
    BeginCluster,
    ChangeRole,
    JoinCluster,
    LabelNode,
    LeaveOldCluster,
    ReleaseServer,
    RemoveServer,
    TryNetwork,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from ftl.engine.calls.swarm import Swarm
    from ftl.host.session import Session
    from ftl.server.cluster.connected import ConnectedServers
    from ftl.server.cluster.steps import ClusterStep

MARK = "ftl-cluster"
"""Volume whose label has the engine's node in FTL's cluster; see `ClusterFacts.marked`."""

_READY_SECONDS = 30.0
_DRAIN_SECONDS = 90.0
_PAUSE = 0.3

_AFTER_UNDO = (
    "`ftl setup` again goes on from what the servers are then; `docker node ls` on a manager shows it"
)


async def mark(session: Session) -> None:
    """Note on the server itself that its membership is FTL's."""
    node = (await session.engine.swarm.state()).node
    if await _marked(session) != node:
        await _unmark(session)
        own = {labels.ROLE: labels.ROLE_CLUSTER, labels.CLUSTER: node}
        await session.engine.create_volume(MARK, own)


async def forget(session: Session) -> None:
    """Leave the Swarm, and remove the mark."""
    await session.engine.swarm.leave()
    await _unmark(session)


async def _marked(session: Session) -> str | None:
    """The node that the mark has; None where there is no mark."""
    volumes = await session.engine.volumes(labels={labels.ROLE: labels.ROLE_CLUSTER})
    return next((volume.labels.get(labels.CLUSTER, "") for volume in volumes if volume.name == MARK), None)


async def _unmark(session: Session) -> None:
    """Remove the mark if there is one.

    For a volume that it does not have, an engine in a Swarm asks the leader, and one of 20.10 does not understand
    the question of one of 26.1.
    """
    if await _marked(session) is not None:
        await session.engine.remove_volume(MARK)


async def remove_node(swarm: Swarm, node: str, *, is_manager: bool) -> None:
    """Remove a node from the Swarm.

    A manager is made a worker first, which takes a moment to be known everywhere.

    Raises:
        EngineError: It cannot be removed.
    """
    deadline = _now() + _READY_SECONDS
    while True:
        try:
            if is_manager:
                with suppress(
                    EngineError
                ):  # it is no member of the managers any more, after a recovery for example
                    await swarm.update_node(node, role="worker")
            await swarm.remove_node(node)
        except EngineError:
            if _now() > deadline:
                raise
            await asyncio.sleep(_PAUSE)
        else:
            return


class ClusterWork:
    """One run's steps.

    Args:
        servers: The servers.
        lead: The name of a manager of the existing Swarm; empty where there is none.
    """

    def __init__(self, servers: ConnectedServers, *, lead: str) -> None:
        self._servers = servers
        self._sessions = servers.sessions
        self._lead = lead
        self._emit = servers.emit
        self._undo = UndoStack(_AFTER_UNDO)
        self._began = False

    async def apply(self, steps: Sequence[ClusterStep]) -> None:
        """Run the steps in their order, joins side by side.

        Raises:
            FtlError: A step failed; servers that joined in this run have left again.
        """
        try:
            for group in _groups(steps):
                await gather_all(self._run(step) for step in group)
        except BaseException:
            await shielded(self._undo.run(self._emit))
            raise

    async def _run(self, step: ClusterStep) -> None:
        async with reported(self._emit, step, server=step.server):
            await self._do(step)

    async def _do(self, step: ClusterStep) -> None:
        match step:
            case BeginCluster(server, address, pool):
                session = self._sessions[server]
                self._lead, self._began = server, True
                self._undo.add(step, lambda: forget(session))
                # not given up half way: the engine would go on with it, after we have left
                await shielded(session.engine.swarm.init(address, labels={labels.CLUSTER: "1"}, pool=pool))
                await mark(session)
            case LeaveOldCluster(server):
                await forget(self._sessions[server])
            case JoinCluster():
                await self._join(step)
            case ChangeRole(server, role):
                await self._manager.update_node(await self._node(server), role=role)
            case LabelNode(server, changes, _):
                await self._manager.update_node(
                    await self._node(server), labels=changes, availability="active"
                )
            case TryNetwork(_, exists):
                network = ClusterNetwork(self._servers, self._lead)
                if not exists and not self._began:  # with a new cluster, its network goes as well
                    self._undo.add(step, network.remove)
                await network.ensure(exists=exists)
            case ReleaseServer(_, node, changes):
                await self._manager.update_node(node, labels=changes)
            case RemoveServer(server, node, is_manager):
                await self._remove(server, node, is_manager=is_manager)
            case _:
                raise NotImplementedError(step.kind)

    @property
    def _manager(self) -> Swarm:
        return self._sessions[self._lead].engine.swarm

    async def _node(self, server: str) -> str:
        return (await self._sessions[server].engine.swarm.state()).node

    async def _join(self, step: JoinCluster) -> None:
        server = step.server
        session = self._sessions[server]
        as_manager, as_worker = await self._manager.tokens()
        self._undo.add(step, self._leaving(session))
        await shielded(
            session.engine.swarm.join(
                step.address,
                managers=[self._servers.member(self._lead).address],
                token=as_manager if step.manager else as_worker,
            )
        )
        await mark(session)
        node = await self._node(server)
        deadline = _now() + _READY_SECONDS
        while not any(each.id == node and each.state == "ready" for each in await self._manager.nodes()):
            if _now() > deadline:
                raise FtlError(
                    f"{server} joined the cluster but was not ready after {_READY_SECONDS:.0f} seconds",
                    hint=f"check its engine's log: `journalctl -u docker` on {server}",
                )
            await asyncio.sleep(_PAUSE)

    # --- leaving

    async def _remove(self, server: str, node: str, *, is_manager: bool) -> None:
        await self._manager.update_node(node, availability="drain")
        state = next((each.state for each in await self._manager.nodes() if each.id == node), "down")
        if state == "ready":
            drained = _now() + _DRAIN_SECONDS
            while await self._manager.running_tasks(node) and _now() < drained:  # noqa: ASYNC110 - the engine tells nobody
                await asyncio.sleep(_PAUSE)
        await remove_node(self._manager, node, is_manager=is_manager)
        self._emit(
            Note(
                f"{server} is no longer in the cluster; its dependencies, volumes and proxy were not touched",
                hint=f"run `docker swarm leave --force` on {server} to remove the membership there as well",
            )
        )

    def _leaving(self, session: Session) -> Callable[[], Awaitable[None]]:
        """Undo a join: the server leaves, and the cluster that was there before forgets its node."""
        node = ""

        async def leave() -> None:
            nonlocal node  # a second attempt knows it, too, when the server has left
            state = await session.engine.swarm.state()
            node = state.node or node
            if state.is_manager and not self._began:
                await self._manager.update_node(node, role="worker")
                await asyncio.sleep(1)  # as a worker it leaves without taking a vote with it
            await forget(session)
            if node and not self._began:
                await remove_node(self._manager, node, is_manager=False)

        return leave


def _now() -> float:
    return asyncio.get_running_loop().time()


def _groups(steps: Sequence[ClusterStep]) -> Iterator[list[ClusterStep]]:
    """Consecutive steps that run side by side: those of one kind that are about a server's own engine."""
    group: list[ClusterStep] = []
    for step in steps:
        beside = isinstance(step, JoinCluster | LeaveOldCluster)
        if group and not (beside and type(step) is type(group[0])):
            yield group
            group = []
        group.append(step)
    if group:
        yield group
