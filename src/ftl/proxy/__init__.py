"""The proxy: one Caddy per server, shared by all projects.

Routes become its configuration, which is reloaded only when it changes. Which release serves is not in it:
Caddy reads that from a file at every request, so a switch is one atomic file write
(docs/explanation/switch.md).
"""

from ftl.proxy.caddy import caddy_config, only_site, render
from ftl.proxy.control import ProxyControl
from ftl.proxy.drain import drained
from ftl.proxy.names import Installation, project_network, release_alias
from ftl.proxy.networks import ensure_project_network
from ftl.proxy.site import (
    Certificate,
    InternalName,
    Site,
    SiteRedirect,
    SiteRoute,
    TlsFiles,
    conflicts,
    site_of,
)
from ftl.proxy.state import ProxyState, observe
from ftl.proxy.tls.issuance import likely_cause, newly_certified
from ftl.proxy.tls.user_certificate import Unusable
from ftl.proxy.tls.user_certificate import check as check_certificate

__all__ = [
    "Certificate",
    "Installation",
    "InternalName",
    "ProxyControl",
    "ProxyState",
    "Site",
    "SiteRedirect",
    "SiteRoute",
    "TlsFiles",
    "Unusable",
    "caddy_config",
    "check_certificate",
    "conflicts",
    "drained",
    "ensure_project_network",
    "likely_cause",
    "newly_certified",
    "observe",
    "only_site",
    "project_network",
    "release_alias",
    "render",
    "site_of",
]
