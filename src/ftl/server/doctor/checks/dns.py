"""Checks of DNS: whether the routes' domains resolve to this server, or to a CDN."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Literal

from ftl.aio import in_thread
from ftl.dataclass import dataclass
from ftl.proxy.tls.policy import is_public
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


SECONDS = 1.5
"""Limit for a lookup, and for the answer of a host that may be a CDN."""

# https://www.cloudflare.com/ips-v4 and ips-v6, as of 2023-09-28; they change every few years.
_CLOUDFLARE = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18"),
        *("108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17"),
        *("162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22"),
        *("2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32"),
        *("2a06:98c0::/29", "2c0f:f248::/32"),
    )
)

# Headers that only one CDN sends: "name:beginning of the value".
_CDN_HEADERS = (
    ("cf-ray:", "Cloudflare"),
    ("server:cloudflare", "Cloudflare"),
    ("x-amz-cf-id:", "Amazon CloudFront"),
    ("x-fastly-request-id:", "Fastly"),
    ("x-served-by:cache-", "Fastly"),
    ("server:akamaighost", "Akamai"),
    ("server:bunnycdn", "bunny.net"),
    ("x-azure-ref:", "Azure Front Door"),
)

ServerReach = Literal["remote", "local", "loopback"]
"""Reach of the server from here: another machine, this machine, or a port of this machine."""

Unresolved = Literal["unknown", "late", "broken"]
"""Reason for a failed lookup: no such name; no answer in time; no resolver answers."""

_PLACEHOLDER = "ADDRESS-OF-THE-SERVER"


@dataclass(frozen=True, slots=True)
class Lookup:
    """The addresses of a name on this machine; `error` where the lookup failed."""

    addresses: tuple[str, ...] = ()
    error: Unresolved | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    """A host of the routes; `cdn` is the CDN that answers for it, as far as that is known."""

    name: str
    lookup: Lookup
    cdn: str | None = None


async def inspect_domain(name: str) -> Domain:
    """Resolve a host, and find out whether a CDN answers there."""
    lookup = await look_up(name)
    remote = [address for address in lookup.addresses if not ipaddress.ip_address(address).is_loopback]
    cdn = cdn_of_addresses(remote)
    if cdn is None and remote:
        cdn = await cdn_at(sample_host(name), remote[0])
    return Domain(name, lookup, cdn)


def sample_host(name: str) -> str:
    """A host that a name stands for: any subdomain, for `*.`."""
    return f"ftl-doctor.{name[2:]}" if name.startswith("*.") else name


async def look_up(name: str) -> Lookup:
    """Resolve a name as this machine's programs do. Without a network it may take long."""
    try:
        return await in_thread(lambda: _resolve(sample_host(name)), SECONDS)
    except TimeoutError:
        return Lookup(error="late")


def _resolve(name: str) -> Lookup:
    try:
        entries = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        is_unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        return Lookup(error="unknown" if is_unknown else "broken")
    except (OSError, UnicodeError):
        return Lookup(error="broken")
    return Lookup(tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in entries)))


async def cdn_at(name: str, address: str, port: int = 80) -> str | None:
    """The CDN that answers for a name at an address, by its headers; None: none is recognised."""
    try:
        async with asyncio.timeout(SECONDS):
            head = await _head(name, address, port)
    except (OSError, EOFError, asyncio.LimitOverrunError):  # it does not answer, or not with HTTP
        return None
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return cdn_of_headers({key: value.strip() for key, _, value in lines})


async def _head(name: str, address: str, port: int) -> bytes:
    """Status and headers of the answer to a HEAD request (RFC 9110, section 9.3.2)."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        request = f"HEAD / HTTP/1.1\r\nHost: {name}\r\nUser-Agent: ftl\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


def cdn_of_headers(headers: Mapping[str, str]) -> str | None:
    """The CDN that sends one of an answer's headers."""
    lowered = {key.lower(): value.lower() for key, value in headers.items()}
    for header, name in _CDN_HEADERS:
        key, _, beginning = header.partition(":")
        if key in lowered and lowered[key].startswith(beginning):
            return name
    return None


def cdn_of_addresses(addresses: Collection[str]) -> str | None:
    """The CDN that one of the addresses is known to belong to."""
    parsed = [ipaddress.ip_address(address) for address in addresses]
    is_cloudflare = any(
        address in network
        for address in parsed
        for network in _CLOUDFLARE
        if address.version == network.version
    )
    return "Cloudflare" if is_cloudflare else None


def judge(
    domain: Domain, server_addresses: Collection[str], *, by_acme: bool, reach: ServerReach = "remote"
) -> Finding:
    """The finding about a domain: whether it resolves to the server.

    The server's addresses are its own, and those that ssh connects to: none where it was not reached. `by_acme`: a
    public CA must be able to reach the domain, or it gets no certificate.
    """
    if f".{domain.name}".endswith(".localhost"):
        return _judge_localhost(domain.name, server_addresses, reach)
    if reach == "loopback":
        return _judge_for_loopback(domain, server_addresses)
    name, addresses = domain.name, domain.lookup.addresses
    severity: Literal["problem", "warning"] = "problem" if by_acme else "warning"
    consequence = "; no CA will issue a certificate for it" if by_acme else ""
    match domain.lookup.error:
        case "unknown":
            fix = _record("create", name, server_addresses)
            return Finding("dns", name, severity, f"does not exist in DNS{consequence}", fix)
        case "late" | "broken":
            what = "could not be looked up: no DNS server answers this machine"
            return Finding("dns", name, "warning", what, "check this machine's network")
        case _:
            pass
    others = [address for address in addresses if address not in server_addresses]
    if not server_addresses:
        return Finding("dns", name, "ok", f"resolves to {_listed(addresses)}")
    if not others:
        return Finding("dns", name, "ok", f"resolves to this server ({_listed(addresses)})")
    if domain.cdn is not None:
        what = f"resolves to {domain.cdn} ({_listed(others)}), which must forward requests to this server"
        return Finding("dns", name, "warning", what, _cdn_fix(domain.cdn, by_acme=by_acme))
    if not _is_comparable(others, server_addresses):
        what = (
            f"resolves to {_listed(addresses)}; its private addresses do not tell whether that is this server"
        )
        fix = f"compare it with the provider's control panel: {_listed(server_addresses)}"
        return Finding("dns", name, "warning", what, fix)
    if len(others) < len(addresses):
        what = f"resolves to this server, and also to {_listed(others)}: some visitors go there{consequence}"
        fix = f"remove the record {name} {_record_type(others[0])} {others[0]}"
        return Finding("dns", name, severity, what, fix)
    what = (
        f"resolves to {_listed(addresses)}, and not to this server ({_listed(server_addresses)}){consequence}"
    )
    return Finding("dns", name, severity, what, _record("change", name, server_addresses))


def _judge_localhost(name: str, server_addresses: Collection[str], reach: ServerReach) -> Finding:
    """Names that mean the visitor's machine, which no record can change (RFC 6761, section 6.3)."""
    if reach != "remote":
        return Finding("dns", name, "ok", "resolves to this machine, in browsers and curl without any DNS")
    if not server_addresses:
        return Finding("dns", name, "ok", "resolves to each visitor's own machine")
    what = f"resolves to each visitor's own machine, and not to this server ({_listed(server_addresses)})"
    return Finding("dns", name, "warning", what, "use a domain in ftl.yaml that resolves to the server")


def _judge_for_loopback(domain: Domain, server_addresses: Collection[str]) -> Finding:
    """No visitor reaches a port of this machine by DNS, so no record is missing."""
    addresses = domain.lookup.addresses
    if addresses and all(address in server_addresses for address in addresses):
        return Finding("dns", domain.name, "ok", f"resolves to this server ({_listed(addresses)})")
    result = f"resolves to {_listed(addresses)}" if addresses else "does not resolve"
    what = f"{result}; it needs no DNS record, for this server is reached at a port of this machine"
    return Finding("dns", domain.name, "ok", what)


def _record(verb: Literal["create", "change"], name: str, server_addresses: Collection[str]) -> str:
    """The record to add or change: a public one where possible, and only for a public address."""
    best = _best_address(server_addresses)
    if not is_public(sample_host(name)):
        return (
            f"not a public name: add `{best or _PLACEHOLDER} {name}` to the network's own DNS server, or to the "
            "visitors' /etc/hosts"
        )
    if best is not None and not ipaddress.ip_address(best).is_global:
        return (
            f"{verb} the record {name} A with the server's public address ({best} is private); for visitors of that "
            "private network only, its own DNS server can resolve the name"
        )
    return f"{verb} the record {name} A {best or _PLACEHOLDER} at the domain's DNS provider"


def _cdn_fix(cdn: str, *, by_acme: bool) -> str:
    if not by_acme:
        return "nothing, if that is intended"
    mode = "the SSL/TLS mode `Full (strict)`" if cdn == "Cloudflare" else "HTTPS to the server"
    return (
        f"configure it to use {mode} and to forward /.well-known/acme-challenge/; or turn it off for this name until "
        "the first certificate is issued"
    )


def _is_comparable(others: Collection[str], server_addresses: Collection[str]) -> bool:
    """A public address cannot be compared with a server of which only private ones are known (NAT)."""
    public = [address for address in server_addresses if ipaddress.ip_address(address).is_global]
    return bool(public) or not any(ipaddress.ip_address(address).is_global for address in others)


def _best_address(server_addresses: Collection[str]) -> str | None:
    """The address for a record: a public one if there is one, else the first."""
    parsed = [
        address
        for address in map(ipaddress.ip_address, server_addresses)
        if address.version == 4 and not address.is_loopback
    ]
    return str(min(parsed, key=lambda address: not address.is_global)) if parsed else None


def _record_type(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _listed(addresses: Collection[str]) -> str:
    shown = list(addresses)[:3]
    return ", ".join(shown) + (", ..." if len(addresses) > 3 else "")
