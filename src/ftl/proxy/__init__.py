"""The proxy: one Caddy per server, shared by all projects.

Routes become its configuration, which is reloaded only when it changes. Which release serves is not in it:
Caddy reads that from a file at every request, so a switch is one atomic file write
(docs/explanation/switch.md).
"""

from ftl.proxy.caddy import caddy_config, render
from ftl.proxy.control import ProxyControl
from ftl.proxy.drain import drained
from ftl.proxy.names import Installation, project_network, release_alias
from ftl.proxy.networks import ensure_project_network
from ftl.proxy.site import Certificate, InternalName, Site, SiteRoute, conflicts, site_of
from ftl.proxy.state import ProxyState, observe

__all__ = [
    "Certificate",
    "Installation",
    "InternalName",
    "ProxyControl",
    "ProxyState",
    "Site",
    "SiteRoute",
    "caddy_config",
    "conflicts",
    "drained",
    "ensure_project_network",
    "observe",
    "project_network",
    "release_alias",
    "render",
    "site_of",
]
