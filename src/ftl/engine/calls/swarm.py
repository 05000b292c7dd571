"""API calls about Swarm mode: membership, nodes, and networks across machines."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ftl.common.json_fields import (
    Json,
    as_bool,
    as_int,
    as_object,
    as_objects,
    as_str,
    as_str_map,
    parse_json,
)
from ftl.dataclass import dataclass
from ftl.engine.calls.spec_update import update_spec
from ftl.engine.client import Client, checked
from ftl.engine.errors import ignoring
from ftl.engine.labels import node_drained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CHANGE_SECONDS = 60.0
"""The engine itself gives up a join after 20 s, and finishes it in the background (20.10 to 28.5)."""


@dataclass(frozen=True, slots=True)
class SwarmState:
    """An engine's own view of its membership; `GET /info` shows it to workers, too.

    Attributes:
        state: "inactive", "pending", "active", "error" or "locked".
        node: Its ID in the Swarm; empty outside.
        address: Where it tells others to reach it.
        is_manager: Whether it is a manager, also of a Swarm without a leader.
        error: "The swarm does not have a leader ...", for example.
        cluster: ID of the Swarm; empty on workers, and without a leader.
        pools: Address ranges from which it gives networks their subnets; likewise.
    """

    state: str = "inactive"
    node: str = ""
    address: str = ""
    is_manager: bool = False
    error: str = ""
    cluster: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    @property
    def is_member(self) -> bool:
        """Whether the engine is part of a Swarm, or tries to be."""
        return self.state != "inactive"

    @property
    def has_leader(self) -> bool:
        """Whether this manager can change the Swarm."""
        return self.is_manager and bool(self.cluster)


@dataclass(frozen=True, slots=True)
class SwarmNode:
    """A node as managers see it.

    Attributes:
        role: "manager" or "worker".
        availability: "active", "pause" or "drain".
        state: "ready", "down", "unknown" or "disconnected".
        address: Where it was seen.
        is_reachable: Whether this manager is reachable by the leader; false for workers.
    """

    id: str
    labels: Mapping[str, str]
    role: str
    availability: str
    state: str
    address: str
    is_reachable: bool

    @property
    def is_lost(self) -> bool:
        """Whether the managers do not reach it.

        Each node is "unknown" to a leader that was just chosen, until it has said something.
        """
        return self.state in ("down", "disconnected")

    def is_drained(self, project: str) -> bool:
        """Whether no replicas of a project are placed there."""
        return self.availability != "active" or node_drained(project) in self.labels


class Swarm:
    """Swarm mode of one engine.

    All calls but `state`, `init`, `join` and `leave` need a manager of a Swarm that has a leader.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def state(self) -> SwarmState:
        """The engine's own view of its membership."""
        info = as_object(await self._client.get_json("describe itself", "info"))
        return read_state(as_object(info.get("Swarm")))

    async def nodes(self) -> list[SwarmNode]:
        """All nodes, as the managers see them."""
        answer = await self._client.get_json("list the nodes of its swarm", "nodes")
        return [_node(item) for item in as_objects(answer)]

    async def init(self, address: str, *, labels: Mapping[str, str], pool: str) -> None:
        """Begin a Swarm whose first manager this engine is.

        Other engines reach this one at `address`, also with the packets of networks; `pool` is the range from which it
        gives networks their subnets, /24 each.
        """
        body = {
            **_addresses(address),
            "DefaultAddrPool": [pool],
            "SubnetSize": 24,
            "Spec": {"Labels": dict(labels)},
        }
        await self._post("begin a swarm", "swarm/init", body)

    async def restart_alone(self, address: str) -> None:
        """Recreate the Swarm from the state of this manager, as its only manager."""
        body = {**_addresses(address), "ForceNewCluster": True, "Spec": {}}
        await self._post("recreate its swarm", "swarm/init", body)

    async def set_labels(self, labels: Mapping[str, str]) -> None:
        """Replace the Swarm's own labels."""
        swarm = as_object(await self._client.get_json("inspect its swarm", "swarm"))
        spec = {**as_object(swarm.get("Spec")), "Labels": dict(labels)}
        version = as_int(as_object(swarm.get("Version")).get("Index"))
        await self._post("change its swarm", "swarm/update", spec, {"version": version})

    async def join(self, address: str, *, managers: Sequence[str], token: str) -> None:
        """Join a Swarm; the token decides whether as a manager or a worker."""
        body = {
            **_addresses(address),
            "RemoteAddrs": [f"{_bracketed(manager)}:2377" for manager in managers],
            "JoinToken": token,
        }
        await self._post("join the swarm", "swarm/join", body)

    async def leave(self) -> None:
        """Leave the Swarm, also as a manager; outside of one nothing happens."""
        with ignoring(503):  # "This node is not part of a swarm"
            await self._post("leave its swarm", "swarm/leave", None, {"force": 1})

    async def tokens(self) -> tuple[str, str]:
        """The secrets with which managers, and workers, join."""
        swarm = as_object(await self._client.get_json("inspect its swarm", "swarm"))
        tokens = as_str_map(swarm.get("JoinTokens"))
        return tokens.get("Manager", ""), tokens.get("Worker", "")

    async def update_node(
        self,
        node: str,
        *,
        role: str | None = None,
        availability: str | None = None,
        labels: Mapping[str, str | None] | None = None,
    ) -> None:
        """Change a node's role, availability or labels; None removes a label."""

        def edited(spec: Json) -> Json:
            kept = {**as_str_map(spec.get("Labels")), **(labels or {})}
            return {
                **spec,
                "Labels": {name: value for name, value in kept.items() if value is not None},
                "Role": role or spec.get("Role"),
                "Availability": availability or spec.get("Availability"),
            }

        path = f"nodes/{checked(node)}"
        await update_spec(self._client, path, edited, what=f"the node {node}", verb="change")

    async def remove_node(self, node: str) -> None:
        """Remove a node from the list; one that is up believes that it is a member until it leaves."""
        with ignoring(404):
            path, seconds = f"nodes/{checked(node)}", _CHANGE_SECONDS
            await self._client.send(f"remove the node {node}", "DELETE", path, {"force": 1}, seconds=seconds)

    async def running_tasks(self, node: str) -> int:
        """Number of a node's tasks that run, or are about to stop."""
        query = {"filters": {"node": [node]}}
        answer = as_objects(await self._client.get_json("list the tasks of its swarm", "tasks", query))
        return sum(as_str(as_object(task.get("Status")).get("State")) == "running" for task in answer)

    async def create_overlay(
        self, name: str, *, labels: Mapping[str, str], encrypted: bool, mtu: int, subnet: str | None = None
    ) -> None:
        """Create an attachable network across the nodes.

        It is encrypted between machines by IPsec. `mtu` is that of the network between the machines; the engine takes
        off what its own headers need. Without `subnet` the Swarm chooses one.
        """
        options = {"encrypted": ""} if encrypted else {}
        if mtu:
            options["com.docker.network.driver.mtu"] = str(mtu)
        body: dict[str, object] = {
            "Name": checked(name),
            "Driver": "overlay",
            "Attachable": True,
            "CheckDuplicate": True,
            "Labels": dict(labels),
            "Options": options,
        }
        if subnet is not None:
            body["IPAM"] = {"Driver": "default", "Config": [{"Subnet": subnet}]}
        await self._post(f"create the network {name}", "networks/create", body)

    async def _post(
        self,
        action: str,
        path: str,
        body: Mapping[str, object] | None,
        query: Mapping[str, object] | None = None,
    ) -> None:
        await self._client.send(action, "POST", path, query, body=body, seconds=_CHANGE_SECONDS)


def read_state(swarm: Json) -> SwarmState:
    """The `Swarm` of `GET /info`."""
    cluster = as_object(swarm.get("Cluster"))
    pools = cluster.get("DefaultAddrPool")
    return SwarmState(
        state=as_str(swarm.get("LocalNodeState")) or "inactive",
        node=as_str(swarm.get("NodeID")),
        address=as_str(swarm.get("NodeAddr")),
        is_manager=as_bool(swarm.get("ControlAvailable")),
        error=as_str(swarm.get("Error")),
        cluster=as_str(cluster.get("ID")),
        labels=as_str_map(as_object(cluster.get("Spec")).get("Labels")),
        pools=tuple(map(str, pools)) if isinstance(pools, list) else (),
        managers=tuple(
            _address(as_str(each.get("Addr"))) for each in as_objects(swarm.get("RemoteManagers"))
        ),
    )


def parse_state(text: str) -> SwarmState:
    """Read the output of `docker info --format '{{json .Swarm}}'`; other text is no membership."""
    try:
        return read_state(as_object(parse_json(text)))
    except ValueError:
        return SwarmState()


def _addresses(address: str) -> dict[str, object]:
    return {"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": address, "DataPathAddr": address}


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _address(text: str) -> str:
    """The address of "10.0.0.1:2377" or "[fd00::1]:2377"."""
    return text.rpartition(":")[0].strip("[]")


def _node(record: Json) -> SwarmNode:
    spec, status = as_object(record.get("Spec")), as_object(record.get("Status"))
    manager = as_object(record.get("ManagerStatus"))
    return SwarmNode(
        id=as_str(record.get("ID")),
        labels=as_str_map(spec.get("Labels")),
        role=as_str(spec.get("Role")),
        availability=as_str(spec.get("Availability")),
        state=as_str(status.get("State")),
        address=as_str(status.get("Addr")),
        is_reachable=as_str(manager.get("Reachability")) == "reachable",
    )
