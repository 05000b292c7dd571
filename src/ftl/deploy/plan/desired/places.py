"""Places: servers of a cluster where something shall run, against where it runs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.observe.swarm import service_id
from ftl.engine import labels
from ftl.engine.calls.services import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.config.models.project import Dependency, Project, Service
    from ftl.deploy.observe.state import Observed
    from ftl.engine.specs import ContainerSpec
    from ftl.engine.values import Container

ELSEWHERE = "runs elsewhere than `on` says"
TIED = "it is tied to one server now"
FREE = "it is no longer tied to one server"


def is_spread(project: Project, service: Service, spec: ContainerSpec) -> bool:
    """Whether a service runs as a Swarm service: it has nothing that is on one server only.

    A task that wakes up elsewhere would have an empty volume (moby#33080).
    """
    bound = spec.publish or spec.files or service.recreate
    named = any(not mount.source.startswith("/") for mount in spec.mounts)
    return project.is_cluster and not bound and not named and spec.settings.keys() <= SETTINGS


def exclusion(project: str, host: str) -> str:
    """Placement constraint that keeps tasks away from a server of a project."""
    return f"node.labels.{labels.node_host(project)}!={host}"


def misplaced_service(
    project: Project, service: Service, spec: ContainerSpec, observed: Observed, current: Sequence[Container]
) -> str:
    """Reason to move the live containers of a service; empty where they are in place.

    Swarm moves tasks among the servers that the constraints of their service allow, so these are compared. One that
    is down, cut off or drained now counts neither way: it takes no tasks, whatever `on` says.
    """
    if not observed.is_cluster or not current:
        return ""
    allowed = project.servers_for(service)
    replicas = [bool(service_id(container)) for container in current]
    if not is_spread(project, service, spec):
        if any(replicas):
            return TIED
        first = next((view.name for view in observed.views if view.name in allowed), "")
        return ELSEWHERE if first and _is_elsewhere(observed, first, current) else ""
    if not all(replicas):
        return FREE
    excluded = {constraint for container in current for constraint in container.constraints}
    may_run = {
        view.name: exclusion(project.name, view.name) not in excluded
        for view in observed.views
        if not (view.drained or view.cut_off)
    }
    if any(runs and server not in allowed for server, runs in may_run.items()):
        return ELSEWHERE
    left = [
        server
        for server, is_open in observed.unlisted.items()
        if is_open and exclusion(project.name, server) not in excluded
    ]
    if left:
        return f"it may run on {', '.join(left)}, no longer in `servers`"
    missing = [server for server, runs in may_run.items() if not runs and server in allowed]
    return f"it may run on {', '.join(missing)}, too" if missing else ""


def misplaced_dependency(
    project: Project, dependency: Dependency, observed: Observed, current: Container
) -> str:
    """Reason to move a dependency's container; empty where it is in place."""
    wanted = project.server_for(dependency)
    return ELSEWHERE if wanted and _is_elsewhere(observed, wanted, [current]) else ""


def _is_elsewhere(observed: Observed, server: str, containers: Iterable[Container]) -> bool:
    return any(observed.server_of(container) not in ("", server) for container in containers)
