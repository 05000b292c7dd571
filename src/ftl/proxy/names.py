"""Names on a server that has a proxy: containers, networks, aliases, files."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from ftl.dataclass import dataclass

ADMIN = "127.0.0.1:2019"
"""Address of Caddy's admin API: the proxy's loopback, so no other container can reach it."""

CONFIG_FILE = "/config/ftl/caddy.json"
"""The configuration that Caddy accepted last; a restart of the proxy loads it."""

STORAGE = "/data/caddy"
"""Caddy's storage; its default in the official image."""

OWN_DATA = "/data/ftl"
"""Data of FTL in the proxy; `shared/HOST.pem` in it are certificates that another proxy got.

It exists before Caddy reads certificates: the access log lies there.
"""

CERTIFICATES = f"{STORAGE}/certificates"
"""Certificates in the storage: a folder for each issuer, and in that HOST/HOST.crt."""

ACCESS_LOG = "/data/ftl/access/access.log"
"""Caddy's log of requests; the rotated file is next to it."""

LONGEST_LABEL = 63  # RFC 1035, 2.3.4: octets in one label of a name


@dataclass(frozen=True, slots=True)
class ProxyNames:
    """Names and published ports of a server's proxy.

    One per server, shared by all projects. Only tests, which run side by side, use other values than the defaults.
    Docker gives a container's default route and published ports to the first of its networks in lexical order, so the
    name of `network`, which no project shares, must sort before every project's.
    """

    container: str = "ftl-proxy"
    network: str = "ftl-edge"
    http_port: int = 80
    https_port: int = 443

    @property
    def config_volume(self) -> str:
        """The volume with the configuration, the sites and the live files."""
        return f"{self.container}-config"

    @property
    def data_volume(self) -> str:
        """The volume with certificates and their keys."""
        return f"{self.container}-data"


def project_network(project: str) -> str:
    """The project's private network."""
    return f"ftl-p-{project}"


def overlay_network(project: str) -> str:
    """The project's network across the servers of a cluster."""
    return f"ftl-c-{project}"


def networks_of(project: str) -> tuple[str, str]:
    """The networks that a project may have: on one server, and across several."""
    return project_network(project), overlay_network(project)


def project_bridge(project: str) -> str:
    """Name of the network interface of the project's network on the server.

    The firewall of `ftl setup` recognizes FTL's networks by the beginning of this name: what their containers publish
    is what `forwards` names. An interface's name has 15 characters at most (IFNAMSIZ in the kernel's if.h).
    """
    return f"ftl-{hashlib.sha256(project.encode()).hexdigest()[:11]}"


# A plan compares aliases of all containers with those of all services, time and again.
@lru_cache(maxsize=4096)
def release_alias(project: str, service: str, release: str) -> str:
    """Network alias shared by the containers of one release of a service.

    It has no dot on purpose. Docker's DNS forwards dotted names that it does not know: a lookup of `r5.web.shop`
    whose containers are gone would leave the machine, could be answered by anybody, and took 10 s where no DNS server
    answered (20.10.24). Names without a dot it answers itself as long as the asking container has the option
    `ndots:1`, which the proxy's has. The digest keeps `a-b` + `c` and `a` + `b-c` apart.
    """
    digest = hashlib.sha256(f"{project}/{service}".encode()).hexdigest()[:8]
    room = LONGEST_LABEL - len(release) - len(digest) - 2
    stem = re.sub(r"[^a-z0-9-]", "-", f"{service}-{project}".lower())[:room].rstrip("-")
    return f"{release}-{stem}-{digest}"


def proxy_alias(project: str, host: str) -> str:
    """Network alias of the proxy on one server of a cluster, in the project's network."""
    return f"ftl-proxy-{hashlib.sha256(f'{project}/{host}'.encode()).hexdigest()[:12]}"


LIVE_FOLDER = "/config/live"
"""The folder in the proxy with a file for each service: the alias of its live release."""


def live_file(project: str, service: str) -> str:
    """The file in the proxy that holds the alias of the live release."""
    return f"{LIVE_FOLDER}/{project}.{service}"


def shared_certificates_folder(project: str) -> str:
    """The folder in the proxy where tasks of the Swarm leave certificates (share.sh)."""
    return f"/data/.ftl-handed-{project}"


def ca_root_file(root: str) -> str:
    """The file in the proxy with the root certificate of a private authority."""
    return f"/data/ftl/authorities/{hashlib.sha256(root.encode()).hexdigest()[:16]}.crt"


def certificate_files(certificate: str) -> tuple[str, str]:
    """The files in the proxy with a user's certificate and its key; `certificate` is their ID."""
    return f"/data/ftl/certificates/{certificate}.crt", f"/data/ftl/certificates/{certificate}.key"


def issuer_key(directory: str) -> str:
    """Storage folder for the certificates of an ACME authority, by its directory URL.

    Computed as in `ACMEIssuer.IssuerKey` of certmagic (Caddy 2.11): the host with its port, and the path.
    """
    address = urlsplit(directory)
    path = re.sub(r"[/\\]", "-", unquote(address.path)).strip("-")
    return storage_key("-".join(filter(None, (address.netloc.rpartition("@")[2], path))))


def storage_key(name: str) -> str:
    """File or folder name that Caddy's storage uses for a name: `KeyBuilder.Safe` of certmagic."""
    replaced = {" ": "_", "+": "_plus_", "*": "wildcard_", ":": "-", "..": ""}
    safe = re.sub(r" |\+|\*|:|\.\.", lambda match: replaced[match[0]], name.lower().strip())
    return re.sub(r"[^\w@.-]", "", safe, flags=re.ASCII)
