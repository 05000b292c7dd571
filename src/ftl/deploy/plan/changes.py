"""Changes: action and reason for each service and dependency, by comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import count
from ftl.dataclass import dataclass
from ftl.deploy.observe.state import Observed, release_of
from ftl.deploy.observe.swarm import service_id
from ftl.deploy.plan.desired.places import is_spread, misplaced_dependency, misplaced_service
from ftl.deploy.plan.desired.specs import (
    DesiredContainer,
    changes_network_only,
    dependency_container,
    service_container,
)
from ftl.deploy.plan.reasons import (
    DEPENDENCIES,
    SERVICES,
    changed_dependency,
    new_configuration,
    new_image,
    recorded_section,
    recorded_server,
)
from ftl.deploy.replicas import MOST, generation_of, is_numbered, joined_generation, number_of
from ftl.engine import labels
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.config.models.project import Dependency, Project, Service
    from ftl.deploy.plan.desired.sources import ImageSource
    from ftl.deploy.plan.model import Action
    from ftl.engine.values import Container


ANOTHER_NETWORK = "one server and several have different networks"
NOT_IN_NETWORK = "it is no longer in the project's network"
NEW_IMAGE = "new image"
NEW_CONFIGURATION = "new configuration"
RESTART = "restart"
STOPPED = "it is stopped and stays stopped"


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """Change of a service.

    Attributes:
        source: Where its image comes from; `source.content` is the content ID that its containers shall have.
        live: The release that serves now, None where nothing does.
        current: Its containers that requests go to.
        leftovers: All other containers of the service, which something interrupted left behind.
        is_spread: Whether it runs as a Swarm service.
    """

    service: Service
    desired: DesiredContainer
    source: ImageSource
    action: Action
    why: str
    live: str | None
    current: tuple[Container, ...]
    leftovers: tuple[Container, ...]
    is_spread: bool = False

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def starts(self) -> bool:
        """Whether new containers are started."""
        return self.action in ("created", "replaced")

    @property
    def stopped(self) -> tuple[Container, ...]:
        """Containers that are as they should be, but do not run."""
        return tuple(container for container in self.staying if container.state != "running")

    @property
    def old_first(self) -> bool:
        """Whether the old containers must stop before new ones can start."""
        return bool(self.current) and (self.service.recreate or bool(self.desired.spec.publish))

    @property
    def never_live(self) -> tuple[Container, ...]:
        """Leftovers newer than the live release or generation: they never got a request."""
        return tuple(container for container in self.leftovers if self._never_live(container))

    @property
    def once_live(self) -> tuple[Container, ...]:
        """Leftovers that were live once: they may still be finishing requests."""
        return tuple(container for container in self.leftovers if not self._never_live(container))

    def _never_live(self, leftover: Container) -> bool:
        """Whether a leftover never got a request.

        Also one of a restart that ended half way, which would get requests by the next smaller set, or as the last.
        """
        oldest = min(map(generation_of, self.current), default=1)
        joins = release_of(leftover) == release_number(self.live or "") and joined_generation(leftover)
        last_part = _age(leftover) == self._live_age and oldest < generation_of(leftover)
        return _age(leftover) > self._live_age or joins == oldest or last_part

    @property
    def _live_age(self) -> tuple[int, int]:
        newest = max(map(generation_of, self.current), default=1)
        return (release_number(self.live or ""), newest)

    @property
    def added(self) -> tuple[int, ...]:
        """Numbers of the replicas that join the live ones."""
        if self.action != "scaled":
            return ()
        present = set(map(number_of, self.current))
        return tuple(number for number in range(1, self.service.replicas + 1) if number not in present)

    @property
    def leaving(self) -> tuple[Container, ...]:
        """Live containers that are one too many."""
        if self.action != "scaled":
            return ()
        return tuple(container for container in self.current if number_of(container) > self.service.replicas)

    @property
    def staying(self) -> tuple[Container, ...]:
        """Live containers that stay."""
        left = {container.id for container in self.leaving}
        return tuple(container for container in self.current if container.id not in left)

    @property
    def joins_at_once(self) -> bool:
        """Whether new replicas have the alias of the others from the beginning.

        The others are of FTL 0.1.0, and have only that. If they are several, the new ones get requests as soon as they
        start; the proxy tries another container where one does not accept connections yet.
        """
        return bool(self.added) and not all(map(is_numbered, self.staying))


def _age(container: Container) -> tuple[int, int]:
    """Release and generation, for comparison."""
    return (release_of(container), generation_of(container))


@dataclass(frozen=True, slots=True)
class DependencyChange:
    """Change of a dependency.

    Attributes:
        moves: Whether `current` is on another server than the dependency shall be.
    """

    dependency: Dependency
    desired: DesiredContainer
    action: Action
    why: str
    current: Container | None
    moves: bool = False

    @property
    def name(self) -> str:
        """The dependency's name."""
        return self.dependency.name

    @property
    def starts(self) -> bool:
        """Whether a new container is started."""
        return self.action in ("created", "replaced")

    @property
    def is_away(self) -> bool:
        """Whether its server cannot be reached, so that nobody sees its container."""
        return self.action == "unchanged" and self.current is None


@dataclass(frozen=True, slots=True)
class RemovedService:
    """A service or dependency that ftl.yaml no longer names as such; its volumes stay."""

    name: str
    containers: tuple[Container, ...]
    role: str = labels.ROLE_SERVICE


def service_change(
    project: Project,
    service: Service,
    observed: Observed,
    source: ImageSource,
    commit: str | None = None,
    *,
    stays: bool = False,
    restart: bool = False,
) -> ServiceChange:
    """Compare a service with its containers.

    `commit` is the one deployed, if known. One that `stays` is left on the servers where it is: a change of the live
    release moves nothing by itself. `restart` replaces containers that are as they should be, too.
    """
    desired = service_container(project, service)
    live = observed.live_release(service.name)
    current = observed.live_containers(service.name)
    live_ids = {container.id for container in current}
    leftovers = tuple(
        container for container in observed.containers_of(service.name) if container.id not in live_ids
    )
    action, why = _compare(service, desired, source.content, current)
    if why == NEW_CONFIGURATION:
        why = new_configuration(recorded_section(observed, SERVICES, service.name), service.to_dict())
    elif why == NEW_IMAGE:
        commits = {record.release: record.commit for record in observed.releases}
        why = new_image(commits.get(live or ""), commit)
    if action in ("unchanged", "restarted", "scaled"):
        outside = NOT_IN_NETWORK if _outside_network(observed, current) else ""
        elsewhere = "" if stays else misplaced_service(project, service, desired.spec, observed, current)
        if outside or elsewhere:
            action, why = "replaced", outside or elsewhere
    if action == "scaled" and (any(map(service_id, current)) or len(set(map(generation_of, current))) > 1):
        # An update of a Swarm service would send requests to tasks before they are healthy. A restart that ended
        # half way left containers of two generations, for which there are no aliases of other sets.
        action = "replaced"
    if restart and current:
        action, why = "replaced", RESTART
    spread = is_spread(project, service, desired.spec)
    return ServiceChange(service, desired, source, action, why, live, current, leftovers, spread)


def _compare(
    service: Service, desired: DesiredContainer, content: str, current: tuple[Container, ...]
) -> tuple[Action, str]:
    if not current:
        return "created", "new"
    if any(container.labels.get(labels.CONTENT) != content for container in current):
        return "replaced", NEW_IMAGE
    if any(container.labels.get(labels.CONFIG) != desired.config for container in current):
        return "replaced", NEW_CONFIGURATION
    action, why = _by_state(current)
    if action != "replaced" and sorted(map(number_of, current)) != list(range(1, service.replicas + 1)):
        scaled: Action = "scaled" if max(service.replicas, len(current)) <= MOST else "replaced"
        return scaled, f"{count(service.replicas, 'replica')} instead of {len(current)}"
    return action, why


def _by_state(current: Iterable[Container]) -> tuple[Action, str]:
    """The action for containers that are as they should be, but may not run."""
    states = {container.state for container in current}
    stuck = states & {"paused", "restarting", "dead"}
    if stuck:
        return "replaced", f"it was {min(stuck)}"
    return ("unchanged", "") if states <= {"running"} else ("restarted", "it was stopped")


def dependency_change(
    project: Project,
    dependency: Dependency,
    observed: Observed,
    *,
    keep: bool = False,
    leave_stopped: bool = False,
) -> DependencyChange:
    """Compare a dependency with its container on the server.

    `keep` starts one that does not run, but replaces none: a deploy of single services leaves the rest as it is.
    `leave_stopped` does not start it either if it was stopped.
    """
    desired = dependency_container(project, dependency)
    current = observed.dependencies.get(dependency.name)
    if current is None:
        server = project.server_for(dependency)
        if server in observed.down and recorded_server(observed, DEPENDENCIES, dependency.name) == server:
            return DependencyChange(dependency, desired, "unchanged", f"{server} cannot be reached", None)
        return DependencyChange(dependency, desired, "created", "new", None)
    if leave_stopped and current.state == "exited":
        return DependencyChange(dependency, desired, "unchanged", STOPPED, current)
    if keep and current.state in ("running", "exited", "created"):
        return DependencyChange(dependency, desired, *_by_state([current]), current)
    elsewhere = misplaced_dependency(project, dependency, observed, current)
    action, why = _compare_dependency(project, dependency, desired, observed, current)
    if elsewhere and action != "replaced":
        action, why = "replaced", elsewhere
    return DependencyChange(dependency, desired, action, why, current, bool(elsewhere))


def _compare_dependency(
    project: Project,
    dependency: Dependency,
    desired: DesiredContainer,
    observed: Observed,
    current: Container,
) -> tuple[Action, str]:
    config = current.labels.get(labels.CONFIG, "")
    if config != desired.config:
        if changes_network_only(project, dependency, config):
            return "replaced", ANOTHER_NETWORK
        before = recorded_section(observed, DEPENDENCIES, dependency.name)
        return "replaced", changed_dependency(before, dependency.to_dict())
    if _outside_network(observed, [current]):
        return "replaced", NOT_IN_NETWORK
    return _by_state([current])


def _outside_network(observed: Observed, containers: Iterable[Container]) -> bool:
    """Whether containers are not in the project's network: somebody disconnected them, or removed it."""
    name = observed.network
    network = next((network for network in observed.networks if network.name == name), None)
    return network is None or not all(
        any(endpoint.network_id == network.id for endpoint in container.endpoints) for container in containers
    )


def removed_from_file(project: Project, observed: Observed) -> tuple[RemovedService, ...]:
    """List services and dependencies on the server that ftl.yaml no longer names as such.

    A service that became a dependency, or the other way round, is removed as what it was.
    """
    named = {(labels.ROLE_SERVICE, service.name) for service in project.services}
    named |= {(labels.ROLE_DEPENDENCY, dependency.name) for dependency in project.dependencies}
    removed: dict[tuple[str, str], list[Container]] = {}
    dependencies = (*observed.dependencies.values(), *observed.doubled_dependencies)
    for container in (*observed.services, *dependencies):
        key = (container.role, container.labels[labels.SERVICE])
        if key not in named:
            removed.setdefault(key, []).append(container)
    return tuple(
        RemovedService(name, tuple(containers), role) for (role, name), containers in sorted(removed.items())
    )
