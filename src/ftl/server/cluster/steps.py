"""The steps of a cluster's setup: values, whose runners are in `apply.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.execution.step import BaseStep

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ClusterStep(BaseStep):
    """One action of a cluster's setup."""

    server: str

    @property
    def servers(self) -> tuple[str, ...]:
        """The server, as the executor asks for it."""
        return (self.server,)


@dataclass(frozen=True, slots=True)
class BeginCluster(ClusterStep):
    """Begin a Swarm on the first server."""

    kind = "begin_cluster"
    sentence = "create the cluster on {0.server} ({0.address})"
    address: str
    pool: str


@dataclass(frozen=True, slots=True)
class RecoverCluster(ClusterStep):
    """Rebuild the Swarm from a manager that is left, where the majority of them is lost.

    `others` are managers that are left, too: they forget it, and join again afterwards.
    """

    kind = "recover_cluster"
    sentence = "rebuild the cluster from {0.server}"
    address: str
    others: tuple[str, ...]
    nodes: frozenset[str]


@dataclass(frozen=True, slots=True)
class LeaveOldCluster(ClusterStep):
    """Leave an earlier membership of the cluster, which its managers have forgotten."""

    kind = "leave_old_cluster"
    sentence = "remove {0.server}'s old cluster membership"


@dataclass(frozen=True, slots=True)
class JoinCluster(ClusterStep):
    """Join the Swarm."""

    kind = "join_cluster"
    sentence = "add {0.server} ({0.address}) to the cluster as a {0.role}"
    address: str
    manager: bool

    @property
    def role(self) -> str:
        """Its role in the Swarm."""
        return "manager" if self.manager else "worker"


@dataclass(frozen=True, slots=True)
class ChangeRole(ClusterStep):
    """Make a node a manager, or a worker."""

    kind = "change_role"
    sentence = "make {0.server} a {0.role}"
    role: str


@dataclass(frozen=True, slots=True)
class LabelNode(ClusterStep):
    """Set the project's labels of a node: its name and its roles."""

    kind = "label_node"
    sentence = "label {0.server} with {0.roles_text}"
    labels: Mapping[str, str | None]
    roles: tuple[str, ...]

    @property
    def roles_text(self) -> str:
        """The roles, for people."""
        return f"the roles {', '.join(self.roles)}" if self.roles else "no role"


@dataclass(frozen=True, slots=True)
class TryNetwork(ClusterStep):
    """Try the network between the servers with real packets; create it first if there is none."""

    kind = "try_network"
    sentence = "{0.verb} the network between the servers"
    exists: bool

    @property
    def verb(self) -> str:
        """To be done with the network."""
        return "test" if self.exists else "create and test"


@dataclass(frozen=True, slots=True)
class ReleaseServer(ClusterStep):
    """Take the project's labels from a node that other projects use."""

    kind = "release_server"
    sentence = "remove {0.server} from the project; other projects still use it"
    node: str
    labels: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class RemoveServer(ClusterStep):
    """Remove a node that is no longer in the file from the Swarm."""

    kind = "remove_server"
    sentence = "remove {0.server}, which is no longer in ftl.yaml, from the cluster"
    node: str
    is_manager: bool
