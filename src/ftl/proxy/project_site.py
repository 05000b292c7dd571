"""Site of a project: its routes, names and TLS settings, from ftl.yaml."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.proxy.site import InternalName, Site, SiteRedirect, SiteRoute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.config.models.project import Project


@dataclass(frozen=True, slots=True)
class UserCertificate:
    """The user's certificate chain and its private key, PEM. The key is never shown."""

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Certificate({self.id})"

    @property
    def id(self) -> str:
        """Digest of the content: another certificate gets another file, and so a reload."""
        return hashlib.sha256(self.chain + b"\0" + self.key).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The user's files for TLS, read on this machine: a certificate in place of an authority's.

    `acme_root` is the root certificate of a private ACME authority, PEM.
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
    """The site of a project.

    Without `subnets` of the project's network `ProxyControl.apply` asks the engine for them. `services` None means all;
    those without a port, and those of another protocol than HTTP, are not part of a site.
    """
    selected = [
        service
        for service in project.services
        if (services is None or service.name in services) and service.protocol != "tcp"
    ]
    routes = [
        SiteRoute(
            host=(route.host or project.project.domain or "").lower(),
            path=route.path.rstrip("/") or "/",
            strip_prefix=route.strip_prefix,
            service=service.name,
            port=service.port,
        )
        for service in selected
        if service.port is not None
        for route in service.routes
    ]
    return Site(
        project=project.name,
        subnets=tuple(subnets),
        routes=tuple(sorted(routes, key=lambda route: (route.host, route.path))),
        internal=tuple(
            sorted(
                (InternalName(each.name, each.port) for each in selected if each.port is not None),
                key=lambda name: name.service,
            )
        ),
        tls=project.proxy.tls,
        email=project.project.email,
        acme_ca=project.proxy.acme_ca,
        certificate=files.certificate.id if files.certificate is not None else None,
        acme_root=files.acme_root,
        redirects=tuple(
            SiteRedirect(each.host, each.to)
            for each in sorted(project.proxy.redirects, key=lambda each: each.host)
        ),
        trusted=project.proxy.trusted_proxies,
        h2c=tuple(sorted(each.name for each in selected if each.protocol == "h2c")),
    )
