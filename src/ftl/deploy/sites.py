"""What the proxy is told about a project while it is deployed: first the names, then the routes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.errors import UsageError
from ftl.proxy import Certificate, project_network, site_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ftl.config import Project
    from ftl.deploy.observed import Observed
    from ftl.proxy import Site


def final_site(
    project: Project, observed: Observed, serving: Collection[str], certificate: Certificate | None
) -> Site:
    """The project's site once the deploy is done; `serving` are the services that will be live then."""
    network = project_network(project.name)
    subnets = next((one.subnets for one in observed.networks if one.name == network), ())
    own = certificate.id if certificate else None
    return site_of(project, subnets=subnets, services=tuple(serving), certificate=own)


def early_site(final: Site, observed: Observed) -> Site:
    """The site while new containers become healthy: new names already answer, all that was there is still there."""
    known = observed.site
    if known is None:
        return replace(final, routes=())
    names = {*known.internal, *final.internal}
    internal = tuple(sorted(names, key=lambda name: (name.service, name.port)))
    return replace(final, routes=known.routes, internal=internal)


def moves_port(final: Site, observed: Observed) -> bool:
    """Whether a service that is served now listens on another port from this release on."""
    known = {name.service: name.port for name in observed.site.internal} if observed.site else {}
    return any(known.get(name.service, name.port) != name.port for name in final.internal)


def read_certificate(project: Project, root: Path) -> Certificate | None:
    """The certificate and key that the project names, relative to ftl.yaml.

    Raises:
        UsageError: One of them cannot be read.
    """
    proxy = project.proxy
    if not proxy.certificate or not proxy.key:
        return None
    return Certificate(_read(root, proxy.certificate, "certificate"), _read(root, proxy.key, "key"))


def _read(root: Path, name: str, what: str) -> bytes:
    try:
        return (root / name).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"the {what} `{name}` cannot be read", cause=error.strerror) from error
