"""How things are called on a server that has a proxy: containers, networks, aliases, files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

ADMIN = "127.0.0.1:2019"
"""Caddy's admin API: the proxy's own loopback, so no other container can reach it."""

CONFIG_FILE = "/config/ftl/caddy.json"
"""The whole configuration as it was last accepted; a restart of the proxy begins with it."""

STORAGE = "/data/caddy"
"""Where Caddy keeps what it was given; its default in the official image."""

CERTIFICATES = f"{STORAGE}/certificates"
"""In it, for each issuer a folder, and in that HOST/HOST.crt."""

_LABEL_LIMIT = 63  # RFC 1035, 2.3.4: octets in one label of a name


@dataclass(frozen=True, slots=True)
class Installation:
    """What the proxy of a server is called and which ports of the machine it holds.

    One per server, shared by all projects: everybody uses the defaults but tests, which run side by side.

    Attributes:
        network: The proxy's own network. Docker gives a container's default route and published ports to the
            first of its networks in lexical order, so this name must sort before every project's network.
    """

    container: str = "ftl-proxy"
    network: str = "ftl-edge"
    http_port: int = 80
    https_port: int = 443

    @property
    def config_volume(self) -> str:
        """Holds the configuration, the sites and the live files."""
        return f"{self.container}-config"

    @property
    def data_volume(self) -> str:
        """Holds certificates and their keys."""
        return f"{self.container}-data"


def project_network(project: str) -> str:
    """The project's private network."""
    return f"ftl-p-{project}"


def project_bridge(project: str) -> str:
    """What the interface of the project's network is called on the server.

    The firewall of `ftl setup` knows FTL's networks by the beginning of this name: what their containers publish is
    what `forwards` names. An interface's name has 15 characters at most (IFNAMSIZ in the kernel's if.h).
    """
    return f"ftl-{hashlib.sha256(project.encode()).hexdigest()[:11]}"


def release_alias(project: str, service: str, release: str) -> str:
    """The name that the containers of one release of a service share in the project's network.

    It has no dot on purpose. Docker's DNS asks the outside for dotted names that it does not know: a lookup of
    `r5.web.shop` whose containers are gone would leave the machine, could be answered by a stranger, and took
    10 s where no DNS server answered (20.10.24). Names without a dot it answers itself as long as the asking
    container has the option `ndots:1`, which the proxy's has. The digest keeps `a-b` + `c` and `a` + `b-c` apart.
    """
    digest = hashlib.sha256(f"{project}/{service}".encode()).hexdigest()[:8]
    room = _LABEL_LIMIT - len(release) - len(digest) - 2
    stem = re.sub(r"[^a-z0-9-]", "-", f"{service}-{project}".lower())[:room].rstrip("-")
    return f"{release}-{stem}-{digest}"


def live_file(project: str, service: str) -> str:
    """The file in the proxy that holds the alias of the live release."""
    return f"/config/live/{project}.{service}"


def ca_root_file(root: str) -> str:
    """Where the proxy keeps the root certificate of a private authority."""
    return f"/data/ftl/authorities/{hashlib.sha256(root.encode()).hexdigest()[:16]}.crt"


def certificate_files(certificate: str) -> tuple[str, str]:
    """Where the proxy keeps a certificate of the user's own, and its key; `certificate` is their id."""
    return f"/data/ftl/certificates/{certificate}.crt", f"/data/ftl/certificates/{certificate}.key"


def issuer_key(directory: str) -> str:
    """In which folder Caddy keeps the certificates of an ACME authority, by its address.

    As certmagic (of Caddy 2.11) makes it in `ACMEIssuer.IssuerKey`: the host with its port, and the path.
    """
    address = urlsplit(directory)
    path = re.sub(r"[/\\]", "-", unquote(address.path)).strip("-")
    return storage_key("-".join(filter(None, (address.netloc.rpartition("@")[2], path))))


def storage_key(name: str) -> str:
    """What Caddy calls a file or folder of its storage: `KeyBuilder.Safe` of certmagic."""
    replaced = {" ": "_", "+": "_plus_", "*": "wildcard_", ":": "-", "..": ""}
    safe = re.sub(r" |\+|\*|:|\.\.", lambda found: replaced[found[0]], name.lower().strip())
    return re.sub(r"[^\w@.-]", "", safe, flags=re.ASCII)
