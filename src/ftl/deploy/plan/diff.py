"""Diff of desired project and observed server; every planning step reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.names import container_names, network_of
from ftl.deploy.plan import pins
from ftl.deploy.plan.desired.sources import BuiltImage, ImageOnServer, NamedImage, PinnedImage
from ftl.deploy.plan.start_order import named_early
from ftl.deploy.replicas import alias_of, generation_name, generation_of
from ftl.engine import labels
from ftl.proxy.configuration.caddy import only_site
from ftl.proxy.names import networks_of, release_alias

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import (
        DependencyChange,
        RemovedService,
        ServiceChange,
    )
    from ftl.deploy.plan.jobs import JobsDiff
    from ftl.deploy.request import PlanRequest
    from ftl.engine.values import Container
    from ftl.proxy.project_site import UserCertificate
    from ftl.proxy.site import Site


@dataclass(frozen=True, slots=True)
class Diff:
    """The desired project, the observed server, and the change of each service.

    Attributes:
        removed: Services and dependencies that ftl.yaml no longer names.
        transitional_site: What the proxy serves while new containers become healthy; None where nothing has a port.
        target_site: What it serves once the deploy is done: nothing where the project gives up its last port.
        leaves_proxy: Whether nothing of the project has a port any more, but the proxy still has something of it.
        makes_release: Whether anything changes that a release is made for.
    """

    request: PlanRequest
    observed: Observed
    services: tuple[ServiceChange, ...]
    dependencies: tuple[DependencyChange, ...]
    removed: tuple[RemovedService, ...]
    jobs: JobsDiff
    transitional_site: Site | None
    target_site: Site | None
    certificate: UserCertificate | None
    makes_release: bool
    release: str
    commit: str | None = None
    leaves_proxy: bool = False

    @property
    def gone_why(self) -> str:
        """Reason for a removal of a service that the project lacks; a rollback reads no ftl.yaml."""
        restored = self.request.purpose.restored
        return f"not in {restored}" if restored else "no longer in ftl.yaml"

    @property
    def project(self) -> Project:
        """The project that is asked for."""
        return self.request.project

    @property
    def first_server(self) -> str:
        """The server of a cluster that has the jobs, and sends messages; empty with one server."""
        return self.project.servers[0].host if self.observed.is_cluster else ""

    @property
    def is_whole(self) -> bool:
        """Whether all services are deployed as in the file, or in the record of a release."""
        return not (self.request.services or self.request.purpose.same_release)

    @property
    def proxied(self) -> bool:
        """Whether requests come through the proxy."""
        return self.target_site is not None

    @property
    def named_before(self) -> frozenset[str]:
        """Services that the proxy sends requests to now."""
        site = self.observed.site
        return frozenset(name.service for name in site.all_internal) if site is not None else frozenset()

    @property
    def by_address(self) -> bool:
        """Whether requests by the server's address come to this project."""
        target = self.target_site
        return target is not None and only_site([target, *other_sites(self.observed)]) == target

    @property
    def maintenance(self) -> bool:
        """Whether visitors get 503 once it is done."""
        return self.target_site is not None and self.target_site.maintenance is not None

    @property
    def starting(self) -> tuple[ServiceChange, ...]:
        """The services of which new containers are started."""
        return tuple(change for change in self.services if change.starts)

    @property
    def unswitched(self) -> dict[str, str]:
        """Service -> live alias, where the proxy lost the live release of an unchanged service."""
        lost = {
            change.name: alias_of(change.current, change.leftovers)
            for change in self.services
            if change.service.proxied_port and not change.starts and not self.observed.live_alias(change.name)
        }
        return {name: alias for name, alias in lost.items() if alias}

    def configured_image(self, change: ServiceChange) -> str:
        """Image of a service as people call it: this release's tag, or the name in ftl.yaml."""
        match change.source:
            case NamedImage(reference):
                return reference
            case PinnedImage(name):
                return name
            case BuiltImage() | ImageOnServer():
                return f"{self.project.name}-{change.name}:{self.release}"

    def service_image(self, change: ServiceChange) -> str:
        """Reference that a service's containers are created from, with a digest if known."""
        if isinstance(change.source, PinnedImage):
            return change.source.reference
        image = self.configured_image(change)
        if not isinstance(change.source, NamedImage):
            return image
        return self._pinned(image, pins.service_pin(self.observed, change))

    def dependency_image(self, change: DependencyChange) -> str:
        """Reference that a dependency's container is created from, with a digest if known."""
        return self._pinned(change.dependency.image, pins.dependency_pin(self.observed, change))

    def _pinned(self, image: str, recorded: str) -> str:
        if recorded and self.observed.has_image(recorded):
            return recorded
        return pins.pin_on_server(self.observed, image) or image

    @property
    def lost_images(self) -> dict[str, str]:
        """Service or dependency -> pinned image that is no longer on the server."""
        recorded = {
            change.name: pins.service_pin(self.observed, change)
            for change in self.starting
            if isinstance(change.source, NamedImage)
        }
        recorded |= {
            change.name: pins.dependency_pin(self.observed, change)
            for change in self.dependencies
            if change.starts
        }
        return {
            name: image for name, image in recorded.items() if image and not self.observed.has_image(image)
        }

    @property
    def doubled_dependencies(self) -> tuple[Container, ...]:
        """Further containers of the dependencies that stay (`Observed.doubled_dependencies`)."""
        names = {change.name for change in self.dependencies}
        doubled = self.observed.doubled_dependencies
        return tuple(container for container in doubled if container.labels[labels.SERVICE] in names)

    @property
    def scaled(self) -> tuple[ServiceChange, ...]:
        """The services that get more or fewer containers."""
        return tuple(change for change in self.services if change.action == "scaled")

    def generation(self, change: ServiceChange) -> int:
        """Generation of a service's new containers in their release."""
        if change.action == "scaled":
            return max(map(generation_of, change.current), default=1)
        if not self.request.purpose.same_release:
            return 1
        own = [
            container
            for container in self.observed.containers_of(change.name)
            if container.labels[labels.RELEASE] == change.live
        ]
        return max(map(generation_of, own), default=0) + 1

    def generation_name(self, change: ServiceChange) -> str:
        """Release and generation of a service's new containers, as in their names."""
        return generation_name(self.release_of(change), self.generation(change))

    def release_of(self, change: ServiceChange) -> str:
        """The release that a service's new containers belong to."""
        joins = change.action == "scaled" or self.request.purpose.same_release
        return change.live if joins and change.live else self.release

    def new_containers(self, change: ServiceChange) -> tuple[str, ...]:
        """Names of the containers of a service that are started."""
        project, replicas = self.project.name, change.service.replicas
        if change.starts:
            return container_names(project, change.name, self.generation_name(change), replicas)
        return tuple(
            f"{project}-{change.name}-{self.generation_name(change)}-{number}" for number in change.added
        )

    def colliding(self, change: ServiceChange) -> tuple[Container, ...]:
        """Leftovers of an interrupted change of the replicas, whose names new containers get."""
        names = self.new_containers(change) if change.action == "scaled" else ()
        return tuple(container for container in change.once_live if container.name in names)

    def alias(self, change: ServiceChange) -> str:
        """Network alias of a service's containers once this plan is done."""
        project, name = self.observed.project, self.generation_name(change)
        if change.starts:
            return release_alias(project, change.name, name)
        if change.added:
            size = "" if change.joins_at_once else f"-{change.service.replicas}"
            return release_alias(project, change.name, f"{name}{size}")
        return alias_of(change.staying, change.current) or self.observed.live_alias(change.name)

    @property
    def switched(self) -> dict[str, str]:
        """Service -> new alias, of the services that are switched, in the order of the switch."""
        changes = (*self.starting, *self.scaled)
        aliases = {change.name: self.alias(change) for change in changes}
        narrowed = {change.name for change in changes if self.narrows_first(change)}
        decides = self._deciding
        return {
            name: aliases[name]
            for name in sorted(aliases, key=lambda name: (name == decides, name))
            if aliases[name] and (name in narrowed or aliases[name] != self.observed.live_alias(name))
        }

    def narrows_first(self, change: ServiceChange) -> bool:
        """Whether requests go to a container by its name while others become healthy."""
        only = change.staying[0].name if len(change.staying) == 1 and change.service.proxied_port else ""
        return change.joins_at_once and bool(only) and self.observed.live_alias(change.name) != only

    @property
    def left_subnets(self) -> tuple[str, ...]:
        """Subnets of the network that the project leaves: from one server to several, or back."""
        site, new = self.observed.site, network_of(self.project)
        others = [
            network.subnets
            for network in self.observed.networks
            if network.name in networks_of(self.project.name) and network.name != new
        ]
        served = site.subnets if site is not None else ()
        return tuple(subnet for subnets in others for subnet in subnets if subnet in served)

    @property
    def named_early(self) -> frozenset[str]:
        """Services whose names answer before the switch; never the one that decides about routes."""
        return named_early(self.services) - {self._deciding}

    @property
    def _deciding(self) -> str | None:
        site = self.transitional_site
        return site.transition.service if site is not None and site.transition is not None else None


def other_sites(observed: Observed) -> list[Site]:
    """The sites of the other projects on the server."""
    sites = observed.proxy.sites.values() if observed.proxy is not None else ()
    return [site for site in sites if site.project != observed.project]
