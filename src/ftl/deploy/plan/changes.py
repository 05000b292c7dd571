"""What has to happen to each service and dependency, and why: one decision each, made by comparing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.deploy.observe.state import Observed, release_of
from ftl.deploy.plan.specs import Wanted, dependency_container, service_container
from ftl.engine import labels
from ftl.proxy import project_network
from ftl.references import familiar
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.config import Dependency, Project, Service
    from ftl.deploy.plan.model import Action
    from ftl.engine import Container


OUTSIDE = "it is not in the project's network any more"


@dataclass(frozen=True, slots=True)
class LocalImage:
    """A built image on this machine: its ID there, since its name may move, and what it is."""

    id: str
    content: str


@dataclass(frozen=True, slots=True)
class ServiceDecision:
    """What happens to a service.

    Attributes:
        content: The content id its containers shall have.
        live: The release that serves now, None where nothing does.
        current: The containers of that release.
        leftovers: Containers that a deploy which was cut off left behind, never live or no longer.
    """

    service: Service
    wanted: Wanted
    content: str
    action: Action
    why: str
    live: str | None
    current: tuple[Container, ...]
    leftovers: tuple[Container, ...]

    @property
    def starts(self) -> bool:
        """Whether new containers are started."""
        return self.action in ("created", "replaced")

    @property
    def stopped(self) -> tuple[str, ...]:
        """Containers that are right, but do not run."""
        return tuple(container.name for container in self.current if container.state != "running")

    @property
    def old_first(self) -> bool:
        """Whether the old containers must stop before new ones can start."""
        return bool(self.current) and (self.service.recreate or bool(self.wanted.spec.publish))


@dataclass(frozen=True, slots=True)
class DependencyDecision:
    """What happens to a dependency."""

    dependency: Dependency
    wanted: Wanted
    action: Action
    why: str
    current: Container | None

    @property
    def starts(self) -> bool:
        """Whether a new container is started."""
        return self.action in ("created", "replaced")


def decide_service(
    project: Project, service: Service, observed: Observed, images: Mapping[str, LocalImage]
) -> ServiceDecision:
    """Compare a service with its containers on the server."""
    wanted = service_container(project, service)
    content = images[service.name].content if service.name in images else reference_content(service)
    live = observed.live_release(service.name)
    own = [one for one in observed.services if one.labels[labels.SERVICE] == service.name]
    current = tuple(one for one in own if one.labels[labels.RELEASE] == live)
    leftovers = tuple(one for one in own if one.labels[labels.RELEASE] != live)
    action, why = _compare(service, wanted, content, current)
    if action in ("unchanged", "restarted") and _outside(observed, current):
        action, why = "replaced", OUTSIDE
    return ServiceDecision(service, wanted, content, action, why, live, current, leftovers)


def _compare(
    service: Service, wanted: Wanted, content: str, current: tuple[Container, ...]
) -> tuple[Action, str]:
    if not current:
        return "created", "new"
    if any(one.labels.get(labels.CONTENT) != content for one in current):
        return "replaced", "new image"
    if any(one.labels.get(labels.CONFIG) != wanted.config for one in current):
        return "replaced", "new configuration"
    if len(current) != service.replicas:
        return "replaced", f"{service.replicas} replicas instead of {len(current)}"
    return _by_state(current)


def _by_state(current: Iterable[Container]) -> tuple[Action, str]:
    """What is to be done with containers that are as they should be, but may not run."""
    states = {one.state for one in current}
    stuck = states & {"paused", "restarting", "dead"}
    if stuck:
        return "replaced", f"it was {min(stuck)}"
    return ("unchanged", "") if states <= {"running"} else ("restarted", "it was stopped")


def decide_dependency(project: Project, dependency: Dependency, observed: Observed) -> DependencyDecision:
    """Compare a dependency with its container on the server."""
    wanted = dependency_container(project, dependency)
    current = observed.dependencies.get(dependency.name)
    if current is None:
        return DependencyDecision(dependency, wanted, "created", "new", None)
    if current.labels.get(labels.CONFIG) != wanted.config:
        return DependencyDecision(dependency, wanted, "replaced", "new configuration", current)
    if _outside(observed, [current]):
        return DependencyDecision(dependency, wanted, "replaced", OUTSIDE, current)
    return DependencyDecision(dependency, wanted, *_by_state([current]), current)


def _outside(observed: Observed, containers: Iterable[Container]) -> bool:
    """Whether containers are out of the project's network: somebody took them out, or removed it."""
    name = project_network(observed.project)
    network = next((one for one in observed.networks if one.name == name), None)
    return network is None or not all(
        any(place.network_id == network.id for place in one.endpoints) for one in containers
    )


def reference_content(service: Service) -> str:
    """The content id of a service whose image FTL does not build: its name is all that is known."""
    return f"ref:{familiar(service.image or '')}"


def never_live(decision: ServiceDecision) -> tuple[Container, ...]:
    """Leftovers of releases newer than the live one: they never had a request."""
    bound = release_number(decision.live or "")
    return tuple(one for one in decision.leftovers if release_of(one) > bound)


def once_live(decision: ServiceDecision) -> tuple[Container, ...]:
    """Leftovers of releases older than the live one: they may still finish requests."""
    bound = release_number(decision.live or "")
    return tuple(one for one in decision.leftovers if release_of(one) <= bound)
