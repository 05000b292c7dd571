"""Project and server held against each other, once: what all parts of a plan ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.deploy.plan import pins
from ftl.deploy.plan.changes import decide_dependency, decide_service
from ftl.deploy.plan.cleanup import find_gone
from ftl.deploy.plan.sites import early_site, final_site, moves_port
from ftl.errors import UsageError
from ftl.proxy import conflicts, only_site, release_alias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.config import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import DependencyDecision, LocalImage, ServiceDecision
    from ftl.deploy.plan.cleanup import Gone
    from ftl.proxy import Certificate, Site, TlsFiles


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is asked for, what is there, and what that means for each service and dependency.

    Attributes:
        images: The built images on this machine, by service.
        gone: What ftl.yaml no longer names.
        early: The project's site while new containers become healthy; None where nothing has a port.
        final: Its site once the deploy is done.
        makes_release: Whether there is anything that a release is made for.
        release: The release that is made, or the current one.
        upgrade_proxy: Whether the proxy is to be the one that the project names.
    """

    project: Project
    observed: Observed
    images: Mapping[str, LocalImage]
    services: tuple[ServiceDecision, ...]
    dependencies: tuple[DependencyDecision, ...]
    gone: tuple[Gone, ...]
    early: Site | None
    final: Site | None
    certificate: Certificate | None
    makes_release: bool
    release: str
    upgrade_proxy: bool = False

    @property
    def proxied(self) -> bool:
        """Whether requests come through the proxy."""
        return self.final is not None

    @property
    def by_address(self) -> bool:
        """Whether requests by the server's address come to this project."""
        final = self.final
        return final is not None and only_site([final, *_others(self.observed)]) == final

    @property
    def moves_port(self) -> bool:
        """Whether a service that is served now listens on another port from this release on."""
        return self.final is not None and moves_port(self.final, self.observed)

    @property
    def starting(self) -> tuple[ServiceDecision, ...]:
        """The services of which new containers are started."""
        return tuple(one for one in self.services if one.starts)

    @property
    def forgotten(self) -> dict[str, str]:
        """The services that go on as they are, but of which the proxy does not know it: their live aliases."""
        proxy = self.observed.proxy
        known = proxy.live if proxy is not None else {}
        live = {one.service.name: one.live for one in self.services if one.service.port and not one.starts}
        aliases = {
            name: release_alias(self.project.name, name, release) for name, release in live.items() if release
        }
        return {
            name: alias for name, alias in aliases.items() if known.get((self.project.name, name)) != alias
        }

    def image_of(self, one: ServiceDecision) -> str:
        """What the image of a service is called on the server."""
        if one.service.name in self.images:
            return f"{self.project.name}-{one.service.name}:{self.release}"
        assert one.service.image is not None
        return one.service.image

    def source_of(self, one: ServiceDecision) -> str:
        """What containers of a service are made of: the digest that the live release holds, if it has one there."""
        image = self.image_of(one)
        exact = "" if one.service.name in self.images else pins.of_service(self.observed, one)
        return exact if exact and self.observed.has_image(exact) else image

    def source_of_dependency(self, one: DependencyDecision) -> str:
        """The same for a dependency."""
        exact = pins.of_dependency(self.observed, one)
        return exact if exact and self.observed.has_image(exact) else one.dependency.image

    @property
    def lost(self) -> dict[str, str]:
        """What new containers shall be made of, but is not on the server any more, by service or dependency."""
        foreign = [one for one in self.starting if one.service.name not in self.images]
        exact = {one.service.name: pins.of_service(self.observed, one) for one in foreign}
        exact |= {
            one.dependency.name: pins.of_dependency(self.observed, one)
            for one in self.dependencies
            if one.starts
        }
        return {name: image for name, image in exact.items() if image and not self.observed.has_image(image)}

    def alias(self, service: str) -> str:
        """The name that the new release of a service goes by."""
        return release_alias(self.project.name, service, self.release)


def compare(
    project: Project,
    observed: Observed,
    images: Mapping[str, LocalImage],
    files: TlsFiles,
    only: Sequence[str],
    upgrade_proxy: bool,
) -> Comparison:
    """Hold a project against a server; see `make_plan` for what is what.

    Raises:
        UsageError: Another project on the server has one of the routes.
    """
    meant = [one for one in project.services if not only or one.name in only]
    services = tuple(decide_service(project, one, observed, images) for one in meant)
    dependencies = tuple(decide_dependency(project, one, observed) for one in project.dependencies)
    gone = () if only else find_gone(project, observed)
    final = early = None
    if any(service.port for service in project.services):
        serving = {one.name for one in meant}
        serving |= {one.name for one in project.services if observed.live_release(one.name)}
        final = final_site(project, observed, serving, files)
        early = early_site(final, observed)
        _refuse_conflicts(final, observed)
    makes_release = bool(
        gone
        or any(one.starts for one in services)
        or any(one.starts for one in dependencies)
        or (final is not None and final != observed.site)
    )
    return Comparison(
        project,
        observed,
        images,
        services,
        dependencies,
        gone,
        early,
        final,
        files.certificate,
        makes_release,
        f"r{observed.last_number + makes_release}",
        upgrade_proxy,
    )


def _others(observed: Observed) -> list[Site]:
    """The sites of the other projects on the server."""
    sites = observed.proxy.sites.values() if observed.proxy is not None else ()
    return [site for site in sites if site.project != observed.project]


def _refuse_conflicts(final: Site, observed: Observed) -> None:
    claimed = conflicts([final, *_others(observed)])
    if claimed:
        raise UsageError(
            f"{claimed[0]} on {observed.server}",
            hint="give one of them another path or host, or remove the other project",
        )
