"""Views of a site: its routes, or those before and those after the switch of a deploy.

Both stand in one configuration. A variable is read from the deciding live file once for each request, and every route
of the site asks for one of its two values, so a request never meets a route of one release and the containers of
another. Upstreams of the services that are switched are fixed for the same reason: several live files cannot be
renamed at once.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.proxy.names import live_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.common.json_fields import JsonObject
    from ftl.proxy.site import InternalName, Site


@dataclass(frozen=True, slots=True)
class SiteVariant:
    """A site as it applies before or after a switch, or always; its routes need `match`.

    `aliases` are fixed ones by service; the others' are read from their live files.
    """

    site: Site
    match: JsonObject = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def upstream(self, service: str) -> str:
        """Name of a service's containers: an alias, or the placeholder that reads it."""
        # The final dot keeps the resolver from trying the machine's search domains.
        return f"{self.aliases.get(service) or f'{{file.{live_file(self.site.project, service)}}}'}."

    def port(self, service: str) -> int | None:
        """The port of a service's containers, by its internal name."""
        return next((name.port for name in self.site.internal if name.service == service), None)


def views(site: Site) -> tuple[SiteVariant, ...]:
    """The site's views: one, or the two of a transition."""
    change = site.transition
    if change is None:
        return (SiteVariant(site),)
    switched: JsonObject = {"vars": {_variable(site): [change.after[change.service]]}}
    return (
        SiteVariant(site.before_switch(), {"not": [switched]}, change.before),
        SiteVariant(
            site.by_live_files({(site.project, change.service): change.after[change.service]}),
            switched,
            change.after,
        ),
    )


def views_of(site: Site, name: InternalName) -> tuple[SiteVariant, ...]:
    """Views that tell an internal name's upstreams apart: two while its port changes."""
    both = views(site)
    ways = {(view.port(name.service), name.service in view.site.h2c) for view in both}
    known = all(port is not None for port, _ in ways)
    return both if len(both) > 1 and known and len(ways) > 1 else (SiteVariant(site),)


def read_decisions(sites: Sequence[Site]) -> Iterator[JsonObject]:
    """Routes that read the deciding live file of each site in transition, once per request."""
    for site in sites:
        if site.transition is not None:
            decides = f"{{file.{live_file(site.project, site.transition.service)}}}"
            yield {"handle": [{"handler": "vars", _variable(site): decides}]}


def _variable(site: Site) -> str:
    return f"ftl_live_{site.project}"
