"""TLS policy: the issuer of each host's certificate, and redirects from HTTP to HTTPS."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.proxy.names import CERTIFICATES, OWN_DATA, ca_root_file, certificate_files, issuer_key, storage_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.common.json_fields import JsonObject
    from ftl.proxy.site import Site, TlsMode


PUBLIC_CA = "https://acme-v02.api.letsencrypt.org/directory"
"""The directory that Caddy uses without `acme_ca`."""

# No public authority certifies names below these (RFC 2606, 6761, 6762, 7686, 8375; ICANN on `internal`).
_PRIVATE = ("localhost", "local", "test", "example", "invalid", "onion", "internal", "lan", "home.arpa")


@dataclass(frozen=True, slots=True)
class SecuredHost:
    """A host that is served over HTTPS; of sites that share one, the first by project name."""

    host: str
    site: Site

    @property
    def certificate(self) -> str | None:
        """ID of the user's certificate, if there is one."""
        return self.site.certificate

    @property
    def uses_acme(self) -> bool:
        """Whether an ACME authority certifies it; otherwise the proxy's local authority does."""
        return uses_acme(
            self.host,
            self.site.tls,
            user_certificate=self.certificate is not None,
            private_authority=self.site.acme_root is not None,
        )

    @property
    def issued_here(self) -> bool:
        """Whether this proxy gets the certificate, not another one of the cluster that shares it."""
        return not self.uses_acme or self.site.is_issuer

    @property
    def certificate_file(self) -> str:
        """Path below `CERTIFICATES` of the certificate that this issuer, and no other, issues."""
        host = storage_key(self.host)
        authority = issuer_key(self.site.acme_ca or PUBLIC_CA) if self.uses_acme else "local"
        return f"{authority}/{host}/{host}.crt"

    @property
    def issuer(self) -> JsonObject:
        """Caddy's issuer module."""
        if not self.uses_acme:
            return {"module": "internal"}
        root = self.site.acme_root
        # The authority may ask any server of a cluster, and a TLS handshake cannot be forwarded by its ALPN.
        alone = self.site.place is None
        settings = {
            "email": self.site.email,
            "ca": self.site.acme_ca,
            "challenges": None if alone else {"tls-alpn": {"disabled": True}},
            "trusted_roots_pem_files": [ca_root_file(root)] if root else None,
        }
        return {"module": "acme", **{key: value for key, value in settings.items() if value}}

    @property
    def redirect(self) -> JsonObject | None:
        """Route that redirects HTTP to HTTPS; None where both are served.

        Until ACME's certificate exists, HTTP serves the site itself, so that a site whose name does not point to the
        server yet can be seen. Caddy answers challenges before any route.
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
    """Hosts that are served over HTTPS, sorted."""
    hosts: dict[str, SecuredHost] = {}
    for site in sorted(sites, key=lambda site: site.project):
        if site.tls == "off":
            continue
        for host in site.hosts:
            hosts.setdefault(host, SecuredHost(host, site))
    return dict(sorted(hosts.items()))


def by_acme(sites: Sequence[Site]) -> list[SecuredHost]:
    """Hosts whose certificate comes from an ACME authority."""
    return [host for host in secured_hosts(sites).values() if host.uses_acme]


def uses_acme(host: str, mode: TlsMode, *, user_certificate: bool, private_authority: bool) -> bool:
    """Whether a host's certificate comes from an ACME authority.

    A certificate of the user's is used instead. `private_authority`: its root is set, and it certifies names of any
    kind.
    """
    return mode == "auto" and not user_certificate and (private_authority or is_public(host))


def is_public(host: str) -> bool:
    """Whether a public authority may certify the name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not any(host == name or host.endswith(f".{name}") for name in _PRIVATE)
    return False


def tls_apps(sites: Sequence[Site]) -> JsonObject:
    """Caddy's `tls` and `pki` apps for these sites; empty where none of them has TLS."""
    hosts = secured_hosts(sites).values()
    if not hosts:
        return {}
    managed = [host for host in hosts if not host.certificate and host.issued_here]
    shared = any(not host.issued_here for host in hosts if not host.certificate)
    certificates = sorted({host.certificate for host in hosts if host.certificate})
    return {
        "tls": {
            "certificates": {
                "automate": [host.host for host in managed],
                "load_files": [
                    dict(zip(("certificate", "key"), certificate_files(certificate), strict=True))
                    for certificate in certificates
                ],
                # All `*.pem` below it. Caddy does not start without a folder that it names, so it is one that is there.
                **({"load_folders": [OWN_DATA]} if shared else {}),
            },
            "automation": {"policies": _policies(managed)},
        },
        # No program in the container needs to trust the local authority, and there is no trust store to install it in.
        "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
    }


def _policies(managed: Sequence[SecuredHost]) -> list[JsonObject]:
    """One policy for all hosts of the same issuer."""
    groups: list[tuple[JsonObject, list[str]]] = []
    for host in managed:
        members = next((hosts for issuer, hosts in groups if issuer == host.issuer), None)
        if members is None:
            groups.append((host.issuer, [host.host]))
        else:
            members.append(host.host)
    return [{"subjects": hosts, "issuers": [issuer]} for issuer, hosts in groups]


def _to_https(match: JsonObject) -> JsonObject:
    redirect = redirect_to("https://{http.request.host}{http.request.uri}")
    return {"match": [match], "handle": [redirect], "terminal": True}


def redirect_to(location: str) -> JsonObject:
    """Handler for a permanent redirect that keeps method and body (308)."""
    return {"handler": "static_response", "status_code": "308", "headers": {"Location": [location]}}
