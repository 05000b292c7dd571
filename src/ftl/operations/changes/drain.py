"""Drain of a server of a cluster, for maintenance without a lost request, and its end.

Swarm's own drain stops the tasks of a server first and starts others then. So the services that have some there are
replaced as by a restart: new replicas elsewhere, proved healthy, then the switch of all proxies, the drain of requests,
the removal of the old ones. Then a label of the node keeps replicas away. Its proxy goes on, and forwards requests to
the other servers, after a reboot, too: on a node that Swarm itself has drained, no container can join the network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.observe.swarm import located_container, service_id
from ftl.deploy.plan.model import Plan, Stage
from ftl.deploy.plan.records.recorded import live_project, on_servers
from ftl.deploy.plan.steps.swarm_services import SetDrained
from ftl.engine import labels
from ftl.errors import UsageError
from ftl.operations.changes.live import plan_live, running_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest
    from ftl.deploy.request import Author


def plan_drain(server: str) -> Callable[[OperationRequest, Author, Observed], Plan]:
    """Planner of the drain of a server."""

    def plan(request: OperationRequest, by: Author, observed: Observed) -> Plan:
        _require(server, observed)
        closed = {server, *observed.joining}
        if all(view.drained or view.name in closed for view in observed.views):
            raise UsageError(f"{server} cannot be drained: no other server can take its tasks")
        emptied = _with_drained(observed, server, drained=True)
        moving = _services_on(observed, server)
        made = _restarted(request, by, emptied, moving)
        is_drained = next(view.drained for view in observed.views if view.name == server)
        drain = () if is_drained else (Stage("drain", ((SetDrained(server, value=True),),)),)
        staying = tuple(_staying(observed, server))
        stays = (
            f"{', '.join(staying)} stays on {server}, the only server that it can run on" if staying else ""
        )
        return replace(made, stages=(*made.stages, *drain), notes=(*((stays,) if stays else ()), *made.notes))

    return plan


def plan_resume(server: str) -> Callable[[OperationRequest, Author, Observed], Plan]:
    """Planner of the end of a drain.

    Services that may run on the server are restarted, so that some of their replicas are placed there.
    """

    def plan(request: OperationRequest, by: Author, observed: Observed) -> Plan:
        _require(server, observed)
        if not any(view.drained for view in observed.views if view.name == server):
            return Plan.without_release(observed)
        filled = _with_drained(observed, server, drained=False)
        project = on_servers(live_project(observed, request.server)[1], request.servers)
        moving = tuple(
            service.name
            for service in project.services
            if server in project.servers_for(service)
            and any(map(service_id, observed.live_containers(service.name)))
        )
        made = _restarted(request, by, filled, moving)
        resume = Stage("resume", ((SetDrained(server, value=False),),))
        return replace(made, stages=(resume, *made.stages))

    return plan


def _require(server: str, observed: Observed) -> None:
    """Refuse a server that the cluster does not have, or that does not answer.

    Raises:
        UsageError: It is none of the servers, or cannot be reached.
    """
    known = [view.name for view in observed.views]
    if server in observed.down:
        raise UsageError(f"{server} cannot be reached", hint="its replicas start elsewhere by themselves")
    if server not in known:
        raise UsageError(
            f"{server} is not one of the servers of {observed.project}", hint=f"they are {', '.join(known)}"
        )


def _with_drained(observed: Observed, server: str, *, drained: bool) -> Observed:
    """The servers as they are once a server is drained, or no longer."""
    views = tuple(replace(view, drained=drained) if view.name == server else view for view in observed.views)
    return replace(observed, views=views)


def _services_on(observed: Observed, server: str) -> tuple[str, ...]:
    """Services with a replica on a server."""
    located = (
        (container.labels[labels.SERVICE], located_container(observed, container))
        for container in observed.services
        if service_id(container)
    )
    return tuple(dict.fromkeys(name for name, place in located if place is not None and place[0] == server))


def _staying(observed: Observed, server: str) -> Iterator[str]:
    """Names of dependencies, jobs and services whose containers are bound to a server."""
    bound = (labels.ROLE_SERVICE, labels.ROLE_DEPENDENCY, labels.ROLE_JOB)
    own = (
        container
        for role in bound
        for container in observed.of_role(role)
        if observed.server_of(container) == server
    )
    names = {
        container.labels.get(labels.SERVICE) or container.labels.get(labels.JOB, container.name)
        for container in own
        if labels.SWARM_TASK not in container.labels
    }
    yield from sorted(names)


def _restarted(request: OperationRequest, by: Author, observed: Observed, services: tuple[str, ...]) -> Plan:
    """The restart of services; nothing without any."""
    if not services:
        return Plan.without_release(observed)
    project = running_project(request, observed)
    return plan_live(replace(request, services=services), by, observed, project, restart=True)
