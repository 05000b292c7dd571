"""Which hosts get a certificate from whom, and which of them redirect HTTP to HTTPS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.proxy.names import (
    CERTIFICATES,
    ca_root_file,
    certificate_files,
    issuer_key,
    storage_key,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.proxy.site import Site, TlsMode

Json = dict[str, object]

PUBLIC_CA = "https://acme-v02.api.letsencrypt.org/directory"
"""Whom Caddy asks where no `acme_ca` says otherwise."""

# No public authority certifies names below these (RFC 2606, 6761, 6762, 7686, 8375; ICANN on `internal`).
_PRIVATE = ("localhost", "local", "test", "example", "invalid", "onion", "internal", "lan", "home.arpa")


@dataclass(frozen=True, slots=True)
class SecuredHost:
    """A host that is served by HTTPS.

    Attributes:
        site: The site that decides: the first by project name, where several share a host.
    """

    host: str
    site: Site

    @property
    def certificate(self) -> str | None:
        """The content id of the user's own certificate, where one is given."""
        return self.site.certificate

    @property
    def uses_acme(self) -> bool:
        """Whether an authority certifies it, a private one any name; else the proxy's own does."""
        mine, private = self.certificate is not None, self.site.acme_root is not None
        return uses_acme(self.host, self.site.tls, user_certificate=mine, private_authority=private)

    @property
    def certificate_file(self) -> str:
        """The file below Caddy's certificates that is there once this issuer, and no other, has certified it."""
        host = storage_key(self.host)
        authority = issuer_key(self.site.acme_ca or PUBLIC_CA) if self.uses_acme else "local"
        return f"{authority}/{host}/{host}.crt"

    @property
    def issuer(self) -> Json:
        """Caddy's issuer module."""
        if not self.uses_acme:
            return {"module": "internal"}
        root = self.site.acme_root
        given = {
            "email": self.site.email,
            "ca": self.site.acme_ca,
            "trusted_roots_pem_files": [ca_root_file(root)] if root else None,
        }
        return {"module": "acme", **{key: value for key, value in given.items() if value}}

    @property
    def redirect(self) -> Json | None:
        """A route that sends HTTP to HTTPS; None where both serve.

        Until ACME's certificate is on disk HTTP answers itself, so that a site whose name does not point here
        yet can be seen. Challenges are answered by Caddy before any route.
        """
        if self.site.tls != "auto":
            return None
        if self.certificate:
            return _to_https({"host": [self.host]})
        if not self.uses_acme:
            return None
        issued = {"root": CERTIFICATES, "try_files": [f"/{self.certificate_file}"]}
        return _to_https({"host": [self.host], "file": issued})


def secured_hosts(sites: Sequence[Site]) -> Mapping[str, SecuredHost]:
    """The hosts that are served by HTTPS, sorted."""
    found: dict[str, SecuredHost] = {}
    for site in sorted(sites, key=lambda one: one.project):
        if site.tls == "off":
            continue
        for host in site.hosts:
            found.setdefault(host, SecuredHost(host, site))
    return dict(sorted(found.items()))


def uses_acme(host: str, mode: TlsMode, *, user_certificate: bool, private_authority: bool) -> bool:
    """Whether an ACME authority is asked to certify a host.

    Args:
        host: Its name.
        mode: `proxy.tls`.
        user_certificate: There is one of the user's own, which is used instead.
        private_authority: The root of a private authority is named: it certifies names of any kind.
    """
    return mode == "auto" and not user_certificate and (private_authority or is_public(host))


def is_public(host: str) -> bool:
    """Whether a public authority may certify the name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not any(host == name or host.endswith(f".{name}") for name in _PRIVATE)
    return False


def tls_apps(sites: Sequence[Site]) -> Json:
    """Caddy's `tls` and `pki` apps for these sites; nothing when none of them has TLS."""
    found = secured_hosts(sites)
    if not found:
        return {}
    managed = [one for one in found.values() if not one.certificate]
    files = sorted({one.certificate for one in found.values() if one.certificate})
    return {
        "tls": {
            "certificates": {
                "automate": [one.host for one in managed],
                "load_files": [
                    dict(zip(("certificate", "key"), certificate_files(name), strict=True)) for name in files
                ],
            },
            "automation": {"policies": _policies(managed)},
        },
        # The proxy's authority is trusted by nobody but who asks for it; there is no store in the container.
        "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
    }


def _policies(managed: Sequence[SecuredHost]) -> list[Json]:
    """One policy for all the hosts of one issuer."""
    groups: list[tuple[Json, list[str]]] = []
    for one in managed:
        members = next((hosts for issuer, hosts in groups if issuer == one.issuer), None)
        if members is None:
            groups.append((one.issuer, [one.host]))
        else:
            members.append(one.host)
    return [{"subjects": hosts, "issuers": [issuer]} for issuer, hosts in groups]


def _to_https(match: Json) -> Json:
    to = redirect_to("https://{http.request.host}{http.request.uri}")
    return {"match": [match], "handle": [to], "terminal": True}


def redirect_to(location: str) -> Json:
    """A handler that sends visitors on for good; they keep method and body."""
    return {"handler": "static_response", "status_code": "308", "headers": {"Location": [location]}}
