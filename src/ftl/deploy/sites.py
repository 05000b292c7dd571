"""What the proxy is told about a project while it is deployed: first the names, then the routes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.proxy import Site, project_network, site_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from ftl.config import Project
    from ftl.deploy.observed import Observed


def final_site(project: Project, observed: Observed, serving: Collection[str]) -> Site:
    """The project's site once the deploy is done; `serving` are the services that will be live then."""
    network = project_network(project.name)
    subnets = next((one.subnets for one in observed.networks if one.name == network), ())
    return site_of(project, subnets=subnets, services=tuple(serving))


def early_site(final: Site, observed: Observed) -> Site:
    """The site while new containers become healthy: new names already answer, public routes are still the old."""
    known = observed.proxy.site(final.project) if observed.proxy is not None else None
    if known is None:
        return replace(final, routes=())
    names = {name.service: name for name in (*known.internal, *final.internal)}
    internal = tuple(sorted(names.values(), key=lambda name: name.service))
    return replace(final, routes=known.routes, internal=internal)
