"""Servers of the lab as one Swarm with a project's network, as `ftl setup` would leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.servers import Server


def form_swarm(servers: Sequence[Server], project: str, hosts: Sequence[str] = ()) -> None:
    """Make servers one cluster, with the labels and the network of a project.

    `hosts` are their names in ftl.yaml; without them their addresses.
    """
    first = servers[0]
    first.docker("swarm", "init", "--advertise-addr", first.address)
    token = first.docker("swarm", "join-token", "--quiet", "manager").strip()
    for server in servers[1:]:
        server.docker(
            "swarm", "join", "--token", token, "--advertise-addr", server.address, f"{first.address}:2377"
        )
    join_project(servers, project, hosts)


def join_project(
    servers: Sequence[Server], project: str, hosts: Sequence[str] = (), subnet: str = "10.93.0.0/24"
) -> None:
    """Give the servers of a Swarm the labels of a project, and make its network."""
    first = servers[0]
    for server, host in zip(servers, hosts or [server.address for server in servers], strict=True):
        node = server.docker("info", "--format", "{{.Swarm.NodeID}}").strip()
        roles = [f"ftl.role.{project}.{role}=true" for role in ("any", "web", "worker")]
        node_labels = (*roles, f"ftl.host.{project}={host}")
        first.docker("node", "update", *(f"--label-add={label}" for label in node_labels), node)
    labels = ("--label", f"ftl.project={project}", "--label", "ftl.role=network")
    overlay = ("--driver", "overlay", "--attachable", "--subnet", subnet)
    first.docker("network", "create", *overlay, *labels, f"ftl-c-{project}")
