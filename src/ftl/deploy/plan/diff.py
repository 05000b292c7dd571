"""Diff of desired project and observed server; every planning step reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.deploy.plan import pins
from ftl.deploy.plan.changes import (
    DependencyChange,
    ServiceChange,
    dependency_change,
    removed_from_file,
    service_change,
)
from ftl.deploy.plan.exclusive import stop_before_dependency, stop_before_service
from ftl.deploy.plan.sites import target_site, transitional_site, with_stored_tls
from ftl.deploy.plan.sources import BuiltImage, ImageOnServer, NamedImage, PinnedImage, source_of
from ftl.errors import UsageError
from ftl.proxy.caddy import only_site
from ftl.proxy.names import release_alias
from ftl.proxy.site import conflicts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import RemovedService
    from ftl.deploy.plan.sources import ImageSource
    from ftl.deploy.request import DeployRequest
    from ftl.engine.values import Container
    from ftl.proxy.site import Site, TlsFiles, UserCertificate


@dataclass(frozen=True, slots=True)
class Diff:
    """The desired project, the observed server, and the change of each service.

    Attributes:
        removed: Services and dependencies that ftl.yaml no longer names.
        transitional_site: What the proxy serves while new containers become healthy; None where nothing has a port.
        target_site: What it serves once the deploy is done.
        makes_release: Whether anything changes that a release is made for.
        release: The release that is made, or the current one.
    """

    request: DeployRequest
    observed: Observed
    services: tuple[ServiceChange, ...]
    dependencies: tuple[DependencyChange, ...]
    removed: tuple[RemovedService, ...]
    transitional_site: Site | None
    target_site: Site | None
    certificate: UserCertificate | None
    makes_release: bool
    release: str

    @property
    def project(self) -> Project:
        """The project that is asked for."""
        return self.request.project

    @property
    def proxied(self) -> bool:
        """Whether requests come through the proxy."""
        return self.target_site is not None

    @property
    def by_address(self) -> bool:
        """Whether requests by the server's address come to this project."""
        target = self.target_site
        return target is not None and only_site([target, *_other_sites(self.observed)]) == target

    @property
    def starting(self) -> tuple[ServiceChange, ...]:
        """The services of which new containers are started."""
        return tuple(change for change in self.services if change.starts)

    @property
    def unswitched(self) -> dict[str, str]:
        """Service -> live alias, where the proxy lost the live release of an unchanged service."""
        proxy = self.observed.proxy
        known = proxy.live if proxy is not None else {}
        live = {
            change.name: change.live for change in self.services if change.service.port and not change.starts
        }
        aliases = {
            name: release_alias(self.project.name, name, release) for name, release in live.items() if release
        }
        return {
            name: alias for name, alias in aliases.items() if known.get((self.project.name, name)) != alias
        }

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

    def stop_before(self, change: ServiceChange | DependencyChange) -> tuple[Container, ...]:
        """Containers to stop before those of a service or dependency start, for their data."""
        mounts = change.desired.spec.mounts
        if isinstance(change, ServiceChange):
            return stop_before_service(change.service, mounts, self.observed, self.removed)
        return stop_before_dependency(mounts, self.observed, self.removed)

    @property
    def stopped_before(self) -> frozenset[str]:
        """IDs of the containers that are stopped before others start."""
        starting: list[ServiceChange | DependencyChange] = [*self.starting]
        starting += [change for change in self.dependencies if change.starts]
        return frozenset(container.id for change in starting for container in self.stop_before(change))

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

    def alias(self, service: str) -> str:
        """Network alias of a service's containers in the new release."""
        return release_alias(self.project.name, service, self.release)


def diff(
    request: DeployRequest,
    observed: Observed,
    sources: Mapping[str, ImageSource],
    files: TlsFiles,
    commit: str | None = None,
) -> Diff:
    """Compare a project with a server; see `make_plan` for the arguments.

    Raises:
        UsageError: Another project on the server has one of the routes.
    """
    project, only = request.project, request.services
    selected = [service for service in project.services if not only or service.name in only]
    services = tuple(
        service_change(project, service, observed, source_of(service, sources), commit)
        for service in selected
    )
    dependencies = tuple(
        dependency_change(project, dependency, observed, keep=bool(only) or request.keep_dependencies)
        for dependency in project.dependencies
    )
    removed = () if only else removed_from_file(project, observed)
    target = transitional = None
    if any(service.port for service in project.services):
        serving = {service.name for service in selected}
        serving |= {service.name for service in project.services if observed.serves(service.name)}
        target = target_site(project, observed, serving, files)
        if request.keep_tls:
            target = with_stored_tls(target, observed)
        _refuse_conflicts(target, observed)
    makes_release = bool(
        removed
        or any(change.starts for change in services)
        or any(change.starts for change in dependencies)
        or (target is not None and target != observed.site)
    )
    release = f"r{observed.last_number + 1 if makes_release else observed.live_number}"
    if target is not None:
        starting = [change for change in services if change.starts]
        transitional = transitional_site(target, observed, starting, release)
    return Diff(
        request=request,
        observed=observed,
        services=services,
        dependencies=dependencies,
        removed=removed,
        transitional_site=transitional,
        target_site=target,
        certificate=files.certificate,
        makes_release=makes_release,
        release=release,
    )


def _other_sites(observed: Observed) -> list[Site]:
    """The sites of the other projects on the server."""
    sites = observed.proxy.sites.values() if observed.proxy is not None else ()
    return [site for site in sites if site.project != observed.project]


def _refuse_conflicts(target: Site, observed: Observed) -> None:
    claimed = conflicts([target, *_other_sites(observed)])
    if claimed:
        raise UsageError(
            f"{claimed[0]} on {observed.server}",
            hint="give one of them another path or host, or remove the other project",
        )
