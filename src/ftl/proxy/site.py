"""Site: one project's part of the proxy's configuration, stored on the server as JSON.

The proxy is shared: a deploy of one project rebuilds the whole configuration from all the stored sites.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from ftl.common.json_fields import parse_json
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


TlsMode = Literal["auto", "internal", "off"]


@dataclass(frozen=True, slots=True)
class SiteRoute:
    """Public requests for `host` (empty: any name) below `path` go to a service's port."""

    host: str
    path: str
    strip_prefix: bool
    service: str
    port: int


@dataclass(frozen=True, slots=True)
class InternalName:
    """Inside the project's network, `service` on `port` reaches the live release."""

    service: str
    port: int


@dataclass(frozen=True, slots=True)
class SiteRedirect:
    """Public requests for `host` are redirected to the host `to`."""

    host: str
    to: str


@dataclass(frozen=True, slots=True)
class Transition:
    """Routes until a switch, in addition to the site's; one live file decides between the two.

    A request is answered by the routes of the release that answers it, at every moment of a deploy: the rename of that
    file changes both (docs/explanation/switch.md).

    Attributes:
        service: The service whose live file decides, the last one that the switch writes.
        before: Service -> alias of its release until the switch, of those that are switched.
        after: Service -> alias of its release after it. The site's routes apply once the live file says
            `after[service]`.
    """

    service: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    routes: tuple[SiteRoute, ...] = ()
    redirects: tuple[SiteRedirect, ...] = ()
    internal: tuple[InternalName, ...] = ()
    h2c: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Answer of a project's public routes in maintenance: HTML, or plain text if it is empty.

    Requests from the ranges of addresses in `allow` get through.
    """

    page: str = ""
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterProxy:
    """Place of a proxy among those of a cluster, by its alias in the project's network.

    `issuer` is the alias of the one that gets certificates; the others send the authority's questions there.
    """

    alias: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Site:
    """A project's part of the proxy's configuration.

    Attributes:
        subnets: CIDRs of the project's network: requests from elsewhere never reach internal names.
        tls: "auto" gets certificates by ACME, "internal" from the proxy's local authority, "off" is HTTP only.
        certificate: ID of the user's certificate, stored in the proxy and used instead.
        acme_root: Root certificate (PEM) by which the directory at `acme_ca` is trusted, if that is a private one.
        trusted: Ranges whose `X-Forwarded-*` headers are trusted.
        h2c: Services that speak HTTP/2 without TLS, sorted.
        transition: What applies instead until the switch of a deploy that changes routes.
        maintenance: Set while its public routes answer 503.
        place: Of the proxy that has it among those of a cluster; all else is the same on each.
    """

    project: str
    subnets: tuple[str, ...] = ()
    routes: tuple[SiteRoute, ...] = ()
    internal: tuple[InternalName, ...] = ()
    tls: TlsMode = "off"
    email: str | None = None
    acme_ca: str | None = None
    certificate: str | None = None
    acme_root: str | None = None
    redirects: tuple[SiteRedirect, ...] = ()
    trusted: tuple[str, ...] = ()
    h2c: tuple[str, ...] = ()
    transition: Transition | None = None
    maintenance: Maintenance | None = None
    place: ClusterProxy | None = None

    @property
    def is_issuer(self) -> bool:
        """Whether its proxy gets certificates by itself."""
        return self.place is None or self.place.issuer == self.place.alias

    @property
    def hosts(self) -> tuple[str, ...]:
        """The named hosts of its routes and redirects, sorted."""
        named = {route.host for route in self.all_routes if route.host}
        return tuple(sorted(named | {redirect.host for redirect in self.all_redirects}))

    @property
    def all_routes(self) -> tuple[SiteRoute, ...]:
        """Its public routes before and after a switch."""
        return self.routes + (self.transition.routes if self.transition else ())

    @property
    def all_redirects(self) -> tuple[SiteRedirect, ...]:
        """Its redirects before and after a switch."""
        return self.redirects + (self.transition.redirects if self.transition else ())

    @property
    def all_internal(self) -> tuple[InternalName, ...]:
        """Its internal names before and after a switch, each once."""
        names = {*self.internal, *(self.transition.internal if self.transition else ())}
        return tuple(sorted(names, key=lambda name: (name.service, name.port)))

    def before_switch(self) -> Site:
        """The site as it applies until the switch."""
        transition = self.transition
        if transition is None:
            return self
        return replace(
            self,
            routes=transition.routes,
            redirects=transition.redirects,
            internal=transition.internal,
            h2c=transition.h2c,
            transition=None,
        )

    def by_live_files(self, live: Mapping[tuple[str, str], str]) -> Site:
        """The site as it applies now, by the live files: (project, service) -> alias."""
        transition = self.transition
        if transition is None:
            return self
        switched = live.get((self.project, transition.service)) == transition.after[transition.service]
        return replace(self, transition=None) if switched else self.before_switch()

    def to_json(self) -> str:
        """JSON as stored in the proxy.

        A field that FTL 0.1.0 does not know is left out where it is not used: 0.1.0 reads no site that has one.
        """
        stored = asdict(self)
        for name in ("transition", "h2c", "maintenance", "place"):
            if not stored[name]:
                del stored[name]
        return json.dumps(stored, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Site:
        """Parse the stored JSON.

        Raises:
            ValueError: It is not a site, or has a field that this version does not know.
        """
        try:
            stored = dict(parse_json(text))
            site = cls(
                **{
                    **stored,
                    **_read_routes(stored),
                    "subnets": tuple(stored["subnets"]),
                    "trusted": tuple(stored.get("trusted", ())),
                    "transition": _read_transition(stored.get("transition")),
                    "maintenance": _read_maintenance(stored.get("maintenance")),
                    "place": ClusterProxy(**stored["place"]) if stored.get("place") else None,
                }
            )
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a site: {error}") from error
        if site.tls not in get_args(TlsMode):
            raise ValueError(f"not a site: tls is {site.tls!r}")
        return site


def same_anywhere(one: Site, other: Site) -> bool:
    """Whether two proxies of a cluster serve a project alike, each at its place."""
    return replace(one, place=None) == replace(other, place=None)


def _read_routes(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "routes": tuple(SiteRoute(**item) for item in stored["routes"]),
        "internal": tuple(InternalName(**item) for item in stored["internal"]),
        "redirects": tuple(SiteRedirect(**item) for item in stored.get("redirects", ())),
        "h2c": tuple(stored.get("h2c", ())),
    }


def _read_transition(stored: dict[str, Any] | None) -> Transition | None:
    return None if stored is None else Transition(**{**stored, **_read_routes(stored)})


def _read_maintenance(stored: dict[str, Any] | None) -> Maintenance | None:
    return None if stored is None else Maintenance(**{**stored, "allow": tuple(stored["allow"])})


def conflicts(sites: Sequence[Site]) -> list[str]:
    """Messages about routes that two projects claim; empty where there is no conflict."""
    owners: dict[tuple[str, str], str] = {}
    messages = []
    for site in sorted(sites, key=lambda site: site.project):
        for route in site.all_routes:
            owner = owners.setdefault((route.host, route.path), site.project)
            if owner != site.project:
                where = f"{route.host or 'any host'}{route.path}"
                messages.append(f"project {site.project} and project {owner} both route {where}")
    return messages + list(_claimed_by_redirects(sites))


def _claimed_by_redirects(sites: Sequence[Site]) -> Iterator[str]:
    """A redirect takes all requests for its host."""
    for site in sorted(sites, key=lambda site: site.project):
        for redirect in site.all_redirects:
            for other in sites:
                if other.project != site.project and redirect.host in other.hosts:
                    yield (
                        f"project {site.project} redirects {redirect.host}, which project {other.project} also serves"
                    )
