"""Sites: the project's proxy configuration during a deploy, and after it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_file
from ftl.config.models.server import WEB
from ftl.deploy.names import network_of
from ftl.deploy.plan.start_order import deciding_service
from ftl.errors import ConfigError
from ftl.proxy.names import release_alias
from ftl.proxy.project_site import TlsFiles, UserCertificate, site_of
from ftl.proxy.site import Transition
from ftl.proxy.tls.user_certificate import InvalidCertificate, check_certificate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import ServiceChange
    from ftl.proxy.site import Site


def target_site(project: Project, observed: Observed, serving: Collection[str], files: TlsFiles) -> Site:
    """Site once the deploy is done, for the services that are live then."""
    network = network_of(project)
    subnets = next((existing.subnets for existing in observed.networks if existing.name == network), ())
    site = site_of(project, subnets=subnets, services=tuple(serving), files=files)
    return replace(site, maintenance=observed.site.maintenance) if observed.site is not None else site


def with_other_services(target: Site, observed: Observed, selected: Collection[str]) -> Site:
    """A site with the present routes of services that a partial deploy leaves alone.

    Whatever ftl.yaml says of them by now: what runs listens on the port that it was deployed with.
    """
    known = observed.site
    if known is None:
        return target
    routes = [route for route in target.routes if route.service in selected]
    routes += [route for route in known.routes if route.service not in selected]
    internal = [route for route in target.internal if route.service in selected]
    internal += [route for route in known.internal if route.service not in selected]
    h2c = {name for name in target.h2c if name in selected} | {
        name for name in known.h2c if name not in selected
    }
    return replace(
        target,
        routes=tuple(sorted(routes, key=lambda route: (route.host, route.path))),
        internal=tuple(sorted(internal, key=lambda name: name.service)),
        h2c=tuple(sorted(h2c)),
        redirects=known.redirects,
    )


def with_stored_tls(target: Site, observed: Observed) -> Site:
    """A site with the certificate and the authority that the proxy has already."""
    known = observed.site
    return (
        target if known is None else replace(target, certificate=known.certificate, acme_root=known.acme_root)
    )


def servers_with_old_routes(project: Project, observed: Observed, target: Site | None) -> tuple[str, ...]:
    """Servers that are away, and come back with other routes than the target's.

    A proxy starts with what is on its disk, and learns only then what is live: the server of a manager by itself, that
    of a worker by the next deploy, until which it would answer nothing at all.
    """
    known = observed.site
    if known is None or (
        target is not None and not _changes_routes(known, replace(target, redirects=known.redirects))
    ):
        return ()
    away = {*observed.down} - observed.workers
    return tuple(server.host for server in project.servers if WEB in server.roles and server.host in away)


def hidden_from(
    servers: Sequence[str], project: Project, observed: Observed, change: ServiceChange
) -> ServiceChange:
    """The change of a service that servers must not find by their old routes.

    What they know it by leads nowhere once it is replaced, and they answer 503 until they have the new routes. One that
    is tied to a server is not taken out of service for that.
    """
    open_servers = {
        view.name
        for view in observed.views
        if not (view.drained or view.cut_off) and view.name not in observed.joining
    }
    known = {name.service for name in observed.site.all_internal} if observed.site is not None else set()
    stays = change.is_spread and not change.starts and change.name in known
    if not servers or not stays or open_servers.isdisjoint(project.servers_for(change.service)):
        return change
    return replace(
        change, action="replaced", why=f"{', '.join(servers)} would come back with old routes to it"
    )


def transitional_site(
    target: Site, observed: Observed, starting: Sequence[ServiceChange], aliases: Mapping[str, str]
) -> Site:
    """Site while new containers become healthy: new names answer, old routes stay.

    Where routes change together with releases, the old and the new ones are in it, and the switch chooses. The
    `starting` services are switched to these aliases.
    """
    known = observed.site
    if known is None:
        # Routes of what is live already were lost with the proxy's file or volume.
        return replace(target, routes=tuple(each for each in target.routes if observed.serves(each.service)))
    names = {*known.internal, *target.internal}
    internal = tuple(sorted(names, key=lambda name: (name.service, name.port)))
    if starting and _changes_routes(known, target):
        transition = Transition(
            service=deciding_service(starting),
            before={
                change.name: observed.live_alias(change.name)
                or release_alias(target.project, change.name, change.live)
                for change in starting
                # Requests for one that stops first wait for the new one, which the live file will name.
                if change.live and not change.old_first
            },
            after=aliases,
            routes=known.routes,
            redirects=known.redirects,
            internal=known.internal,
            h2c=known.h2c,
        )
        return replace(target, transition=transition)
    return replace(target, routes=known.routes, redirects=known.redirects, internal=internal, h2c=known.h2c)


def _changes_routes(known: Site, target: Site) -> bool:
    """Whether requests go other ways: by a route, a redirect, or to a served service by another port or protocol."""
    ports = {name.service: name.port for name in known.internal}
    before, after = ((site.routes, site.redirects, site.h2c) for site in (known, target))
    return before != after or any(ports.get(name.service, name.port) != name.port for name in target.internal)


def read_files(project: Project, root: Path) -> TlsFiles:
    """Read the TLS files that the project names, relative to ftl.yaml.

    Raises:
        ConfigError: One of them cannot be read, or the certificate cannot serve the hosts of the routes.
    """
    proxy = project.proxy
    certificate = acme_root = None
    if proxy.certificate and proxy.key:
        chain, key = _read(project, root, "certificate"), _read(project, root, "key")
        certificate = UserCertificate(chain, key)
        try:
            check_certificate(certificate, site_of(project).hosts)
        except InvalidCertificate as error:
            problem = project.locations.problem(error.message, "proxy", error.field, hint=error.hint)
            raise ConfigError([problem]) from None
    if proxy.acme_ca_root:
        acme_root = _read(project, root, "acme_ca_root").decode("ascii", "replace")
    return TlsFiles(certificate, acme_root)


def _read(project: Project, root: Path, key: str) -> bytes:
    name = str(getattr(project.proxy, key))
    try:
        return read_small_file(root / name)
    except OSError as error:
        message = f"{key}: `{name}` cannot be read: {error.strerror}"
        hint = "its path is relative to ftl.yaml"
        raise ConfigError([project.locations.problem(message, "proxy", key, hint=hint)]) from error
