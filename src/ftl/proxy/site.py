"""What one project asks of the proxy, as a value that is stored on the server.

The proxy is shared: whoever deploys one project rebuilds the whole configuration from all the stored sites.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.config import Project

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
    """Public requests for `host` are sent on to the host `to`."""

    host: str
    to: str


@dataclass(frozen=True, slots=True)
class Site:
    """A project's part of the proxy's configuration.

    Attributes:
        subnets: CIDRs of the project's network: requests from elsewhere never reach internal names.
        tls: "auto" gets certificates by ACME, "internal" from the proxy's own authority, "off" is HTTP alone.
        certificate: Content id of a certificate of the user's own, stored in the proxy; used instead.
        acme_root: By which the directory at `acme_ca` is trusted (PEM), where that is not a public one.
        trusted: Ranges whose `X-Forwarded-*` are believed.
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

    @property
    def hosts(self) -> tuple[str, ...]:
        """The named hosts of its routes and redirects, sorted."""
        named = {route.host for route in self.routes if route.host}
        return tuple(sorted(named | {redirect.host for redirect in self.redirects}))

    def to_json(self) -> str:
        """The form in which it is stored."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Site:
        """Read the stored form; ValueError when it is none, or has something in it that this version lacks."""
        try:
            stored = dict(json.loads(text))
            site = cls(
                **{
                    **stored,
                    "subnets": tuple(stored["subnets"]),
                    "routes": tuple(SiteRoute(**one) for one in stored["routes"]),
                    "internal": tuple(InternalName(**one) for one in stored["internal"]),
                    "redirects": tuple(SiteRedirect(**one) for one in stored.get("redirects", ())),
                    "trusted": tuple(stored.get("trusted", ())),
                }
            )
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a site: {error}") from error
        if site.tls not in get_args(TlsMode):
            raise ValueError(f"not a site: tls is {site.tls!r}")
        return site


@dataclass(frozen=True, slots=True)
class UserCertificate:
    """A certificate chain and its private key, PEM. The key is never shown."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Certificate({self.id})"

    @property
    def id(self) -> str:
        """Content id: another certificate gets another file, and so a reload."""
        return hashlib.sha256(self.chain + b"\0" + self.key).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the user's own files bring, read on this machine.

    Attributes:
        certificate: Used in place of any authority's.
        acme_root: The root certificate of a private ACME authority, PEM.
    """

    certificate: UserCertificate | None = None
    acme_root: str | None = None


def site_of(
    project: Project,
    *,
    subnets: Sequence[str] = (),
    services: Sequence[str] | None = None,
    files: TlsFiles = TlsFiles(),
) -> Site:
    """A project's site.

    Args:
        project: The resolved ftl.yaml.
        subnets: Those of the project's network; when empty, `ProxyControl.apply` asks the engine.
        services: Only these services; None means all. Services without a port have no place in a site.
        files: The user's own files for TLS.
    """
    chosen = [one for one in project.services if services is None or one.name in services]
    routes = [
        SiteRoute(
            host=(route.host or project.project.domain or "").lower(),
            path=_normal_path(route.path),
            strip_prefix=route.strip_prefix,
            service=service.name,
            port=service.port,
        )
        for service in chosen
        if service.port is not None
        for route in service.routes
    ]
    return Site(
        project=project.name,
        subnets=tuple(subnets),
        routes=tuple(sorted(routes, key=lambda one: (one.host, one.path))),
        internal=tuple(
            sorted(
                (InternalName(one.name, one.port) for one in chosen if one.port is not None),
                key=lambda one: one.service,
            )
        ),
        tls=project.proxy.tls,
        email=project.project.email,
        acme_ca=project.proxy.acme_ca,
        certificate=files.certificate.id if files.certificate is not None else None,
        acme_root=files.acme_root,
        redirects=tuple(
            sorted((SiteRedirect(one.host, one.to) for one in project.proxy.redirects), key=_host)
        ),
        trusted=project.proxy.trusted_proxies,
    )


def _host(redirect: SiteRedirect) -> str:
    return redirect.host


def _normal_path(path: str) -> str:
    return path.rstrip("/") or "/"


def conflicts(sites: Sequence[Site]) -> list[str]:
    """Sentences about routes that two projects claim; empty when all is well."""
    owners: dict[tuple[str, str], str] = {}
    found = []
    for site in sorted(sites, key=lambda one: one.project):
        for route in site.routes:
            owner = owners.setdefault((route.host, route.path), site.project)
            if owner != site.project:
                where = f"{route.host or 'any host'}{route.path}"
                found.append(f"project {site.project} and project {owner} both route {where}")
    return found + list(_claimed_by_redirects(sites))


def _claimed_by_redirects(sites: Sequence[Site]) -> Iterator[str]:
    """A redirect takes all requests for its host."""
    for site in sorted(sites, key=lambda one: one.project):
        for redirect in site.redirects:
            for other in sites:
                if other.project != site.project and redirect.host in other.hosts:
                    yield (
                        f"project {site.project} redirects {redirect.host}, which project {other.project} names too"
                    )
