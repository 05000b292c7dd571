"""The runners of a cluster's steps, over the open sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.events import Note
from ftl.execution.runners import Runners
from ftl.server.cluster.members import times_begun
from ftl.server.cluster.membership import (
    SwarmJoin,
    after_consensus,
    forget,
    former_server,
    passing_leaderless,
    remove_node,
    store_membership,
)
from ftl.server.cluster.network import ClusterNetwork
from ftl.server.cluster.steps import (
    BeginCluster,
    ChangeRole,
    JoinCluster,
    LabelNode,
    LeaveOldCluster,
    RecoverCluster,
    ReleaseServer,
    RemoveServer,
    TryNetwork,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ftl.engine.calls.swarm import SwarmNode
    from ftl.server.cluster.context import ClusterContext

_READY_SECONDS = 30.0
_DRAIN_SECONDS = 90.0
_PAUSE = 0.3

RUNNERS: Runners[ClusterContext] = Runners()


@RUNNERS.runs(BeginCluster)
async def begin(context: ClusterContext, step: BeginCluster) -> None:
    """Begin the Swarm; undone, the server leaves it, and with its last manager it is gone."""
    session = context.session
    context.manager.name, context.manager.begun = step.server, True
    swarm_join = SwarmJoin()
    context.undo.add(step, lambda: swarm_join.undo(lambda: forget(session)))
    beginning = session.engine.swarm.init(step.address, labels={labels.CLUSTER: "1"}, pool=step.pool)
    await swarm_join.make(beginning)
    await store_membership(session)


@RUNNERS.runs(RecoverCluster)
async def recover(context: ClusterContext, step: RecoverCluster) -> None:
    """Rebuild it; other managers leave it, and nodes that cannot be reached are removed."""
    swarm = context.session.engine.swarm
    await swarm.restart_alone(step.address)
    begun = await swarm.state()
    await swarm.set_labels({**begun.labels, labels.CLUSTER: str(times_begun(begun) + 1)})
    for name in step.others:
        await forget(context.sessions[name])
    for node in await swarm.nodes():
        if node.id not in step.nodes:
            await remove_node(swarm, node.id, is_manager=node.role == "manager")


@RUNNERS.runs(LeaveOldCluster)
async def leave_old(context: ClusterContext, _step: LeaveOldCluster) -> None:
    """Leave; its managers do not know the server any more."""
    await shielded(forget(context.session))


@RUNNERS.runs(JoinCluster)
async def join(context: ClusterContext, step: JoinCluster) -> None:
    """Join, and wait until the managers see that the server is ready."""
    as_manager, as_worker = await context.swarm.tokens()
    swarm_join, leave = SwarmJoin(), _leaving(context)
    context.undo.add(step, lambda: swarm_join.undo(leave))
    token, managers = as_manager if step.manager else as_worker, [context.address(context.manager.name)]
    await swarm_join.make(context.session.engine.swarm.join(step.address, managers=managers, token=token))
    await store_membership(context.session)
    node = await context.node()
    if not await _seen(
        context, lambda nodes: any(each.id == node and each.state == "ready" for each in nodes)
    ):
        raise FtlError(
            f"{step.server} joined the cluster but was not ready after {_READY_SECONDS:.0f} seconds",
            hint=f"check its engine's log: `journalctl -u docker` on {step.server}",
        )


async def _seen(context: ClusterContext, condition: Callable[[Sequence[SwarmNode]], bool]) -> bool:
    """Wait until the managers see the nodes as a condition says; False: they did not in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _READY_SECONDS
    while True:
        with passing_leaderless():
            if condition(await context.swarm.nodes()):
                return True
        if loop.time() > deadline:
            return False
        await asyncio.sleep(_PAUSE)


def _is_worker(nodes: Sequence[SwarmNode], node: str) -> bool:
    """Whether a node has become a worker; another leader does not know the state of any node at first."""
    left = not any(each.id == node and each.is_reachable for each in nodes)
    return left and all(each.state != "unknown" for each in nodes)


def _leaving(context: ClusterContext) -> Callable[[], Awaitable[None]]:
    """Undo a join: the server leaves, and the earlier cluster removes its node."""
    node = ""

    async def leave() -> None:
        nonlocal node  # a second attempt knows it, too, when the server has left
        state = await context.session.engine.swarm.state()
        node = state.node or node
        if state.is_manager and not context.manager.begun:
            await context.swarm.update_node(node, role="worker")
            await asyncio.sleep(1)  # as a worker it leaves without taking a vote with it
        await forget(context.session)
        if node and not context.manager.begun:
            await remove_node(context.swarm, node, is_manager=False)

    return leave


@RUNNERS.runs(ChangeRole)
async def change_role(context: ClusterContext, step: ChangeRole) -> None:
    """Change it by a manager, which may still count one that was just removed."""
    node = await context.node()
    if step.role == "worker" and step.server == context.manager.name:
        await _hand_over(context)
    await after_consensus(lambda: context.swarm.update_node(node, role=step.role))
    if step.role == "worker":
        await _seen(context, lambda nodes: _is_worker(nodes, node))
    elif not await _seen(context, lambda nodes: any(each.id == node and each.is_reachable for each in nodes)):
        raise FtlError(
            f"{step.server} was not a manager after {_READY_SECONDS:.0f} seconds",
            hint=f"check its engine's log: `journalctl -u docker` on {step.server}",
        )


async def _hand_over(context: ClusterContext) -> None:
    """Let another manager change the Swarm: the acting one is about to become a worker."""
    managers = {each.id for each in await context.swarm.nodes() if each.is_reachable}
    for member in context.members:
        state = await context.sessions[member.name].engine.swarm.state()
        if member.name != context.manager.name and state.node in managers:
            context.manager.name = member.name
            return


@RUNNERS.runs(LabelNode)
async def label_node(context: ClusterContext, step: LabelNode) -> None:
    """Set the labels, and let the node have tasks."""
    await context.swarm.update_node(await context.node(), labels=step.labels, availability="active")


@RUNNERS.runs(TryNetwork)
async def try_network(context: ClusterContext, step: TryNetwork) -> None:
    """Try the network, and note that on all nodes.

    Undone, a new one is removed, unless it goes with a new cluster.
    """
    network = ClusterNetwork(context)
    if not step.exists and not context.manager.begun:
        context.undo.add(step, network.remove)
    tried = {labels.node_tried(context.project): await network.ensure(exists=step.exists)}
    for at in context.each([member.name for member in context.members]):
        await context.swarm.update_node(await at.node(), labels=tried)


@RUNNERS.runs(ReleaseServer)
async def release_server(context: ClusterContext, step: ReleaseServer) -> None:
    """Remove the project's labels, and end its jobs there if the server can be reached."""
    async with former_server(context.connect_former, step.server, step.node, context.project) as former:
        ended = await former.end_jobs()
    await context.swarm.update_node(step.node, labels=step.labels)
    if not ended:
        hint = _crontab_hint(context, step.server)
        context.emit(Note(f"{step.server} could not be reached", "warning", hint=hint))


@RUNNERS.runs(RemoveServer)
async def remove_server(context: ClusterContext, step: RemoveServer) -> None:
    """Remove the node once a drain has ended; on the server, end jobs and membership, too."""
    swarm, loop = context.swarm, asyncio.get_running_loop()
    state = next((each.state for each in await swarm.nodes() if each.id == step.node), "down")
    node = step.node if state == "ready" else ""
    async with former_server(context.connect_former, step.server, node, context.project) as former:
        ended = await former.end_jobs()
        await swarm.update_node(step.node, availability="drain")
        drained = loop.time() + _DRAIN_SECONDS if state == "ready" else 0.0
        while loop.time() < drained and await swarm.running_tasks(step.node):  # noqa: ASYNC110 - the engine tells nobody
            await asyncio.sleep(_PAUSE)
        await remove_node(swarm, step.node, is_manager=step.is_manager)
        left = await former.leave()
    hints = [
        *([] if left else [f"run `docker swarm leave --force` on {step.server} to end its membership there"]),
        *([] if ended else [_crontab_hint(context, step.server)]),
    ]
    text = f"{step.server} is no longer in the cluster; its dependencies, volumes and proxy were not touched"
    context.emit(Note(text, hint="; ".join(hints) or None))


def _crontab_hint(context: ClusterContext, server: str) -> str:
    return (
        f"remove the lines of {context.project} from the crontab of the deploy user on {server}, which still starts "
        "jobs if it has some"
    )
