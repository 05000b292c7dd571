"""Parsers of hosts, URLs and networks: text of ftl.yaml -> value."""

from __future__ import annotations

import re

from ftl.config.values.scalars import HOST, InvalidValue, matching

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"


def domain(value: str) -> str:
    """A host name as browsers request it, in lower case."""
    host = value.lower()
    if len(host) <= 253 and re.fullmatch(_DOMAIN, host):
        return host
    raise InvalidValue("is not a domain", _domain_hint(host))


def route_host(value: str) -> str:
    """A domain, or `*.` and a domain for all its direct subdomains."""
    wildcard = "*." if value.startswith("*.") else ""
    return wildcard + domain(value[len(wildcard) :])


def _domain_hint(host: str) -> str:
    bare = re.sub(r"^[a-z]+://", "", host).partition("/")[0].partition(":")[0].rstrip(".")
    if re.fullmatch(_DOMAIN, bare):
        return f"write the host name alone: {bare}"
    if not host.isascii():
        try:
            return f"write it in its ASCII form: {host.encode('idna').decode()}"
        except UnicodeError:
            pass
    return "letters, digits and - between dots, like shop.example.com"


_EXAMPLE = re.compile(r"(?:\S*[.@])?(?:example\.(?:com|net|org|edu)|example)", re.IGNORECASE)
"""RFC 2606 and RFC 6761 reserve them: authorities issue no certificates for them, nor take them as contact."""


def is_example(value: str) -> bool:
    """Whether a host, or that of an email address, is reserved for examples."""
    return _EXAMPLE.fullmatch(value) is not None


def email(value: str) -> str:
    """An email address that an ACME authority accepts as contact."""
    local, at, host = value.rpartition("@")
    if not at or not re.fullmatch(r"[^\s@<>\"(),;:\\]+", local) or "." not in host:
        raise InvalidValue("is not an email address", "write it like ops@example.com")
    try:
        domain(host)
    except InvalidValue:
        raise InvalidValue("is not an email address", "write it like ops@example.com") from None
    return value


def ssh_host(value: str) -> str:
    """Destination of ssh: a name, an address, a Host of ~/.ssh/config, or `local`."""
    if re.fullmatch(r"[A-Za-z0-9_\[:][A-Za-z0-9_.:%\[\]-]*", value):
        if re.fullmatch(r"[^:]+:[0-9]+", value):
            host, _, number = value.partition(":")
            raise InvalidValue("is not a host", f"write host: {host} and port: {number}")
        return value
    user, at, host = value.rpartition("@")
    raise InvalidValue(
        "is not a host", f"write host: {host} and user: {user.rpartition('/')[2]}" if at else None
    )


def build_host(value: str) -> str:
    """A machine that builds: `server`, `local`, or a destination of ssh."""
    try:
        return ssh_host(value)
    except InvalidValue:
        hint = "write server, local or a host; its user and port belong in ~/.ssh/config"
        raise InvalidValue("is not a host", hint) from None


place = matching(r"[A-Za-z0-9_\[:][A-Za-z0-9_.:%\[\]-]*", "is not a role or a host")
"""A role or a host of `servers`; which are known is checked with the whole file."""


def ip_address(value: str) -> str:
    """An IP address that a server has in a network."""
    import ipaddress  # takes 3 ms, and few files have one

    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise InvalidValue("is not an IP address", "write one like 10.0.0.2") from None
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise InvalidValue("is not an address that other servers can reach", "write one like 10.0.0.2")
    return str(address)


ssh_user = matching(r"[A-Za-z0-9_][^\s:@/]*", "is not a user name")
"""A login name, and nothing that ssh would take for an option or a host."""


def registry(value: str) -> str:
    """The host of a registry, optionally with a port, as in image references."""
    host = value.lower()
    if host in ("index.docker.io", "https://index.docker.io/v1/", "hub.docker.com", "registry-1.docker.io"):
        return "docker.io"
    if re.fullmatch(rf"{HOST}(?::[0-9]+)?", host) and (re.search(r"[.:]", host) or host == "localhost"):
        return host
    bare = re.sub(r"^[a-z]+://", "", host).partition("/")[0]
    hint = f"write the host alone: {bare}" if bare != host and "." in bare else None
    raise InvalidValue(
        "is not a registry", hint or "write its host, like ghcr.io or registry.example.com:5000"
    )


def url_path(value: str) -> str:
    """The path of a URL, without a query."""
    return _path(value, r"[\s?#*]", "is not a URL path prefix: remove *, ?, # and spaces")


def probe_path(value: str) -> str:
    """Target of a health check: a URL path, optionally with a query."""
    return _path(value, r"[\s#]", "is not a URL path: remove # and spaces")


def _path(value: str, forbidden: str, message: str) -> str:
    if not value.startswith("/"):
        raise InvalidValue("must begin with /", f"write /{value.removeprefix('./')}")
    if re.search(forbidden, value):
        raise InvalidValue(message)
    return value


def network(value: str) -> str:
    """A range of IP addresses (`198.51.100.0/24`, `2001:db8::/32`), or a single one."""
    import ipaddress

    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    try:
        whole = str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise InvalidValue(
            "is not an address range", "write it like 198.51.100.0/24 or 2001:db8::/32"
        ) from None
    raise InvalidValue("is not an address range: bits are set behind its prefix", f"did you mean {whole}?")


acme_url = matching(
    r"https?://[^\s/]+(/\S*)?",
    "is not a URL",
    "write it like https://acme-v02.api.letsencrypt.org/directory",
)
"""The directory URL of an ACME authority."""
