"""A Swarm in memory, and the engines of its servers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from ftl.engine import labels as names
from ftl.engine.calls.services import SwarmService, SwarmTask
from ftl.engine.calls.swarm import SwarmNode, SwarmState
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import ExecResult, Network
from ftl.errors import EngineError, ServerError
from ftl.host.session import Session
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import CommandOutput, FakeMachine

from .world import PROJECT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ftl.engine.calls.swarm import Swarm

CLUSTER = "cluster"


@dataclass(slots=True)
class Cluster:
    """What the managers of a Swarm agree on.

    Attributes:
        silent: Kinds of networks, encrypted or not, that pass no packets.
        passes_small: Whether they pass small ones.
        changes: Every change, in order.
        slow: Hosts whose nodes do not become ready.
        unsettled: How many changes of a manager to a worker are refused, since a node was removed just now.
        seconds: How long an engine takes to begin, join or leave it; it goes on to begin or join it when the call is
            given up.
    """

    nodes: dict[str, SwarmNode] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    networks: dict[str, tuple[Network, bool]] = field(default_factory=dict)
    silent: set[bool] = field(default_factory=set)
    changes: list[str] = field(default_factory=list)
    services: list[SwarmService] = field(default_factory=list)
    tasks: list[SwarmTask] = field(default_factory=list)
    slow: set[str] = field(default_factory=set)
    unsettled: int = 0
    seconds: float = 0.0
    passes_small: bool = False
    majority: bool = True

    def add(self, host: str, role: str, address: str = "") -> None:
        """Add a node."""
        state = "down" if host in self.slow else "ready"
        self.nodes[f"node-{host}"] = SwarmNode(
            f"node-{host}", {}, role, "active", state, address, role == "manager"
        )

    def kill(self, host: str) -> None:
        """Take the power of a server away: a manager that is down still counts for the majority."""
        node = self.nodes[f"node-{host}"]
        self.nodes[node.id] = replace(node, state="down", is_reachable=False)

    def needs(self, node: SwarmNode) -> bool:
        """Whether the managers that are left without a node would be no majority of them (swarmkit's guard)."""
        others = [each for each in self.nodes.values() if each.role == "manager" and each.id != node.id]
        return sum(each.is_reachable for each in others) < len(others) // 2 + 1

    def run(self, service: str, host: str, state: str = "running") -> None:
        """Have a task of a service of the project on a node."""
        own = {names.PROJECT: PROJECT, names.SERVICE: service}
        self.services.append(SwarmService(f"id-{service}", service, own, f"{service}:r1", 1, {}))
        self.tasks.append(SwarmTask("task", f"id-{service}", 1, f"node-{host}", state, "running", "", "", {}))


class FakeSwarm:
    """Implements `ftl.engine.calls.swarm.Swarm` for one engine of a cluster."""

    def __init__(self, host: str, cluster: Cluster) -> None:
        self.host = host
        self.cluster = cluster
        self.member = False
        self.refuses: set[str] = set()
        """Names of the methods that fail."""
        self.asked_for_nodes = 0
        self.other = False
        """Whether it is in a Swarm of somebody else, since it was looked at."""

    @property
    def _node(self) -> str:
        return f"node-{self.host}"

    def _note(self, text: str) -> None:
        self.cluster.changes.append(f"{self.host}: {text}")

    async def state(self) -> SwarmState:
        """The engine's own view: a member that was removed still believes in it."""
        if not self.member:
            return SwarmState()
        node = self.cluster.nodes.get(self._node)
        is_manager = node is None or node.role == "manager"
        leads = is_manager and node is not None and self.cluster.majority
        return SwarmState(
            state="active",
            node=self._node,
            is_manager=is_manager,
            cluster=CLUSTER if leads else "",
            labels=dict(self.cluster.labels) if leads else {},
            pools=("10.213.0.0/16",),
        )

    async def nodes(self) -> list[SwarmNode]:
        """All nodes."""
        self.asked_for_nodes += 1
        if "nodes" in self.refuses and not self.cluster.majority:
            raise EngineError("no leader", cause="rpc error: The swarm does not have a leader.", status=503)
        return list(self.cluster.nodes.values())

    def _refuse_second(self) -> None:
        """Refuse it as an engine does that is in a Swarm, perhaps in another one."""
        if self.other or self.member:
            raise EngineError(
                f"{self.host} is in a swarm", cause="This node is already part of a swarm", status=503
            )

    async def init(self, address: str, *, labels: Mapping[str, str], pool: str) -> None:
        """Begin the Swarm."""
        self._refuse_second()
        self._note(f"init {pool}")

        async def begin() -> None:
            await asyncio.sleep(self.cluster.seconds)
            self.member = True
            self.cluster.labels = dict(labels)
            self.cluster.add(self.host, "manager", address)

        await asyncio.shield(asyncio.ensure_future(begin()))

    async def restart_alone(self, address: str) -> None:
        """Begin it anew: the other managers are no managers any more."""
        if "restart_alone" in self.refuses:
            raise EngineError("it does not begin its swarm anew")
        self._note(f"restart alone at {address}")
        self.cluster.majority = True

    async def set_labels(self, labels: Mapping[str, str]) -> None:
        """Replace the Swarm's labels."""
        self.cluster.labels = dict(labels)

    async def join(self, address: str, *, managers: Sequence[str], token: str) -> None:
        """Join it."""
        self._refuse_second()
        if "join" in self.refuses:
            raise EngineError(f"{self.host} does not join")
        self._note(f"join as a {token} at {', '.join(managers)}")

        async def join() -> None:
            await asyncio.sleep(self.cluster.seconds)
            self.member = True
            self.cluster.add(self.host, token, address)

        await asyncio.shield(asyncio.ensure_future(join()))

    async def leave(self) -> None:
        """Leave it."""
        if "leave" in self.refuses:
            raise EngineError(f"{self.host} cannot leave", cause="it is busy")
        self._note("leave")
        await asyncio.sleep(self.cluster.seconds)
        self.member = False
        node = self.cluster.nodes.get(self._node)
        if node is not None:
            self.cluster.nodes[self._node] = replace(node, state="down")

    async def tokens(self) -> tuple[str, str]:
        """Tokens that are the roles."""
        return "manager", "worker"

    async def update_node(
        self,
        node: str,
        *,
        role: str | None = None,
        availability: str | None = None,
        labels: Mapping[str, str | None] | None = None,
    ) -> None:
        """Change a node."""
        if self.cluster.nodes[self._node].role != "manager":
            raise EngineError("it changes nothing", cause="This node is not a swarm manager", status=503)
        old = self.cluster.nodes[node]
        demoted = old.role == "manager" and role == "worker"
        self.cluster.unsettled -= demoted
        if demoted and (self.cluster.needs(old) or self.cluster.unsettled >= 0):
            raise EngineError(
                "cannot make it a worker",
                cause="can't remove member from the raft: this would result in a loss of quorum",
            )
        self._note(f"{node} {role or availability or labels}")
        changed = {**old.labels, **(labels or {})}
        self.cluster.nodes[node] = replace(
            old,
            role=role or old.role,
            is_reachable=role == "manager" if role else old.is_reachable,
            availability=availability or old.availability,
            labels={name: value for name, value in changed.items() if value is not None},
        )

    async def remove_node(self, node: str) -> None:
        """Forget a node, unless it is a manager."""
        if "remove_node" in self.refuses:
            raise EngineError("it does not forget the node")
        if self.cluster.nodes[node].role == "manager":
            raise EngineError(
                "cannot remove it", cause="is a cluster manager and is a member of the raft cluster"
            )
        self._note(f"remove {node}")
        del self.cluster.nodes[node]
        self.cluster.unsettled = 2

    async def running_tasks(self, node: str) -> int:
        """None."""
        assert node in self.cluster.nodes
        return 0

    async def create_overlay(
        self, name: str, *, labels: Mapping[str, str], encrypted: bool, mtu: int, subnet: str | None = None
    ) -> None:
        """Create a network."""
        self._note(f"create {name} {subnet} {mtu}{' encrypted' if encrypted else ''}")
        network = Network(name, name, dict(labels), (subnet or "",), True, "overlay")
        self.cluster.networks[name] = (network, encrypted)


class Server(FakeEngine):
    """The engine of a server of a cluster."""

    def __init__(self, host: str, cluster: Cluster) -> None:
        super().__init__(name=host, images=["web"])
        self.members = FakeSwarm(host, cluster)
        self.on_execute = self._trial

    @property
    def swarm(self) -> Swarm:
        """Its Swarm mode."""
        return cast("Swarm", self.members)

    def _trial(self, _name: str, argv: Sequence[str]) -> ExecResult:
        """Lose every packet in a network of the silent kind."""
        ((_, encrypted),) = self.members.cluster.networks.values()
        others = argv[5:] if encrypted in self.members.cluster.silent else ()
        kind = "small" if self.members.cluster.passes_small else "silent"
        return ExecResult(0, "".join(f"{kind} {other} 1450\n" for other in others).encode(), b"")

    async def networks(self, *, labels: Mapping[str, str] | None = None) -> list[Network]:
        """Those of the cluster."""
        assert labels is None
        return [network for network, _ in self.members.cluster.networks.values()]

    async def services(self, *, labels: Mapping[str, str] | None = None) -> list[SwarmService]:
        """Those of the cluster."""
        assert labels is not None
        services = self.members.cluster.services
        return [one for one in services if labels.items() <= one.labels.items()]

    async def tasks(self, service: str | None = None) -> list[SwarmTask]:
        """Those of the cluster."""
        assert service is None
        return self.members.cluster.tasks

    async def remove_network(self, name: str) -> None:
        """Remove a network of the cluster."""
        self.members.cluster.changes.append(f"{self.name}: remove the network")
        self.members.cluster.networks.pop(name, None)

    async def import_archive(self, reference: str, archive: AsyncIterator[bytes]) -> None:
        """Read it; the image is there."""
        assert reference == "ftl-trial:latest"
        assert [chunk async for chunk in archive]
        self.add_image(reference)

    async def create_raw(self, name: str, config: Mapping[str, object]) -> str:
        """Create a container of an image."""
        return await self.create(name, ContainerSpec(image=str(config["Image"]), labels={}))


@asynccontextmanager
async def nobody(host: str) -> AsyncIterator[Session]:
    """Reach no server that is not in the file."""
    if host:
        raise ServerError(f"{host} cannot be reached")
    yield cast("Session", None)


def engine_of(session: Session) -> Server:
    """The engine of a session."""
    assert isinstance(session.engine, Server)
    return session.engine


def sessions_of(cluster: Cluster, hosts: str, members: str = "", managers: str = "") -> dict[str, Session]:
    """Sessions on servers, by host.

    Args:
        cluster: Their Swarm.
        hosts: The servers, a letter each.
        members: Those that are in it already.
        managers: Those of its members that are managers.
    """
    sessions = {}
    for host in hosts:
        engine = Server(host, cluster)
        if host in members:
            cluster.add(host, "manager" if host in managers else "worker")
            cluster.labels = {names.CLUSTER: "1"}
            engine.members.member = True
        machine = FakeMachine(host)
        machine.answer("ports.pl", answer=CommandOutput())
        sessions[host] = Session(host, machine, engine, replace(INFO, id=f"engine-{host}"))
    return sessions
