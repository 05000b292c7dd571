"""Placement: servers of a cluster that a service may run on, and that a container starts on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.plan.changes import DependencyChange
from ftl.deploy.plan.desired.places import exclusion
from ftl.engine import labels
from ftl.errors import ServerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.config.models.project import Service
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.exclusive import AnyChange


def servers_for(diff: Diff, service: Service) -> tuple[str, ...]:
    """Servers that answer and may run a service.

    Raises:
        ServerError: None does.
        UsageError: A recorded release placed it on servers that the project has no longer.
    """
    servers = diff.project.servers_for(service)
    if not servers:
        raise _gone(service.name, service.on)
    up = {server.name for server in diff.observed.views}
    if not up.intersection(servers):
        raise ServerError(f"{service.name} runs only on {', '.join(servers)}, which cannot be reached")
    return tuple(server for server in servers if server in up)


def open_servers_for(diff: Diff, service: Service) -> tuple[str, ...]:
    """Servers that new tasks of a service may be placed on.

    Raises:
        ServerError: None of those that answer, since they are drained, cut off from the others, or lack the images.
    """
    drained = {server.name for server in diff.observed.views if server.drained}
    cut_off = {server.name for server in diff.observed.views if server.cut_off}
    servers = servers_for(diff, service)
    if cut_off.issuperset(servers):
        raise ServerError(
            f"{service.name} runs only on {', '.join(servers)}, which is cut off from the other servers",
            hint=f"{ftl('doctor')} shows what the managers of the cluster see",
        )
    if drained.issuperset(servers):
        raise ServerError(
            f"{service.name} runs only on {', '.join(servers)}, which is drained",
            hint=f"set `on` of {service.name} to another server, or run {ftl(f'servers resume {servers[0]}')}",
        )
    waiting = _waiting(diff)
    if waiting.issuperset(servers):
        raise ServerError(
            f"{service.name} runs only on {', '.join(servers)}, which joined the cluster since the last deploy",
            hint=f"{ftl('deploy')} of all services brings their images there",
        )
    return tuple(server for server in servers if server not in drained | waiting)


def _waiting(diff: Diff) -> frozenset[str]:
    """Servers that joined, and get no replicas by this plan either."""
    return frozenset() if diff.is_whole else frozenset(diff.observed.joining)


def constraints_of(diff: Diff, service: Service) -> tuple[str, ...]:
    """Placement constraints of a Swarm service, by the labels that `ftl setup` gives the nodes."""
    project, allowed = diff.project.name, open_servers_for(diff, service)
    # One that waits has no label yet, and may run tasks of the service when it gets it.
    open_later = {*allowed, *_waiting(diff)}
    excluded = [server.host for server in diff.project.servers if server.host not in open_later]
    excluded += diff.observed.unlisted  # still in the cluster, and may have no image
    return (
        f"node.labels.{labels.node_role(project, labels.ANY_ROLE)}==true",
        f"node.labels.{labels.node_drained(project)}!=true",
        *(exclusion(project, server) for server in excluded),
    )


def desired_server(diff: Diff, change: AnyChange) -> str:
    """The server of a dependency, or of a service that is bound to one.

    Raises:
        ServerError: It cannot be reached.
        UsageError: A recorded release placed it on a server that the project has no longer.
    """
    if isinstance(change, DependencyChange):
        server = diff.project.server_for(change.dependency)
        if not server:
            raise _gone(change.name, (change.dependency.on or "",))
    else:
        server = servers_for(diff, change.service)[0]
    if server in diff.observed.down:
        raise ServerError(f"{server} cannot be reached, and {change.name} runs there")
    return server


def _gone(name: str, servers: Sequence[str]) -> UsageError:
    return UsageError(
        f"{name} runs only on {', '.join(servers)}, no longer listed in `servers`",
        hint=f"set another `on` in ftl.yaml and run {ftl('deploy')}",
    )
