"""DNS: whether the domains of the routes lead visitors to this server, and through whom."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftl.proxy.tls.policy import is_public
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


SECONDS = 1.5
"""For a lookup, and for a host that may be a CDN to answer."""

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

# A header that only one CDN sends; the part before the colon must be there, and hold what comes after it.
_SIGNS = (
    ("cf-ray:", "Cloudflare"),
    ("server:cloudflare", "Cloudflare"),
    ("x-amz-cf-id:", "Amazon CloudFront"),
    ("x-fastly-request-id:", "Fastly"),
    ("x-served-by:cache-", "Fastly"),
    ("server:akamaighost", "Akamai"),
    ("server:bunnycdn", "bunny.net"),
    ("x-azure-ref:", "Azure Front Door"),
)

Place = Literal["elsewhere", "here", "rehearsal"]
"""Where the server is: elsewhere, this machine itself, or a port of this machine (a sandbox)."""

Failure = Literal["unknown", "late", "broken"]
"""There is no such name; no answer in time; no resolver that answers."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a name resolves to here; `failure` where it does not."""

    addresses: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    """A host of the routes; `cdn` is who answers for it, where that is known to be a CDN."""

    name: str
    lookup: Lookup
    cdn: str | None = None


# --- gathering ------------------------------------------------------------------------------------------


async def gather(name: str) -> Domain:
    """Where a host leads, and whether a CDN answers there."""
    lookup = await look_up(name)
    outside = [one for one in lookup.addresses if not ipaddress.ip_address(one).is_loopback]
    cdn = behind(outside)
    if cdn is None and outside:
        cdn = await who_answers(some_host(name), outside[0])
    return Domain(name, lookup, cdn)


def some_host(name: str) -> str:
    """A host that a name stands for: any one below, for `*.`."""
    return f"ftl-doctor.{name[2:]}" if name.startswith("*.") else name


async def look_up(name: str) -> Lookup:
    """Resolve a name as this machine's programs do.

    In a thread of its own that nobody waits for: a resolver without a network may take half a minute, and a thread
    of the event loop's pool would hold up our end for so long.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Lookup] = loop.create_future()

    def settle(found: Lookup) -> None:
        if not answer.done():
            answer.set_result(found)

    def ask() -> None:
        found = _resolve(some_host(name))
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=ask, name=f"look up {name}", daemon=True).start()
    try:
        return await asyncio.wait_for(answer, SECONDS)
    except TimeoutError:
        return Lookup(failure="late")


def _resolve(name: str) -> Lookup:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        known = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        return Lookup(failure="unknown" if known else "broken")
    except (OSError, UnicodeError):
        return Lookup(failure="broken")
    return Lookup(tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)))


async def who_answers(name: str, address: str) -> str | None:
    """Whose CDN answers for a name at an address, by its headers; None where none shows."""
    import aiohttp

    host = f"[{address}]" if ":" in address else address
    limit = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.head(f"http://{host}/", headers={"Host": name}, allow_redirects=False) as answer,
        ):
            return named_by(answer.headers)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


# --- judging --------------------------------------------------------------------------------------------


def named_by(headers: Mapping[str, str]) -> str | None:
    """The CDN whose sign is among an answer's headers."""
    lowered = {key.lower(): value.lower() for key, value in headers.items()}
    for sign, name in _SIGNS:
        key, _, beginning = sign.partition(":")
        if key in lowered and lowered[key].startswith(beginning):
            return name
    return None


def behind(addresses: Collection[str]) -> str | None:
    """The CDN that an address is known to belong to."""
    parsed = [ipaddress.ip_address(one) for one in addresses]
    inside = any(
        one in network for one in parsed for network in _CLOUDFLARE if one.version == network.version
    )
    return "Cloudflare" if inside else None


def judge(domain: Domain, ours: Collection[str], *, certified: bool, place: Place = "elsewhere") -> Finding:
    """Whether a domain leads to the server.

    Args:
        domain: What is known of it.
        ours: The server's addresses: its own, and the one that ssh reaches it at. Empty where it was not reached.
        certified: A public authority must be able to reach it, or it gets no certificate.
        place: Where the server is.
    """
    if _is_localhost(domain.name):
        return _judge_localhost(domain.name, ours, place)
    if place == "rehearsal":
        return _judge_rehearsed(domain, ours)
    name, found = domain.name, domain.lookup.addresses
    bad: Literal["problem", "warning"] = "problem" if certified else "warning"
    consequence = "; no authority will certify it" if certified else ""
    match domain.lookup.failure:
        case "unknown":
            return Finding(
                "dns", name, bad, f"does not exist in DNS{consequence}", _record("create", name, ours)
            )
        case "late" | "broken":
            what = "could not be looked up: no DNS server answers this machine"
            return Finding("dns", name, "warning", what, "check this machine's network")
        case _:
            pass
    strange = [one for one in found if one not in ours]
    if not ours:
        return Finding("dns", name, "ok", f"leads to {_listed(found)}")
    if not strange:
        return Finding("dns", name, "ok", f"leads to this server ({_listed(found)})")
    if domain.cdn is not None:
        what = f"leads to {domain.cdn} ({_listed(strange)}), which must pass requests on to this server"
        return Finding("dns", name, "warning", what, _cdn_fix(domain.cdn, certified=certified))
    if not _tellable(strange, ours):
        what = (
            f"leads to {_listed(found)}; whether that is this server cannot be told from its inner addresses"
        )
        return Finding("dns", name, "warning", what, f"compare it with the provider's panel: {_listed(ours)}")
    if len(strange) < len(found):
        what = f"leads to this server, and to {_listed(strange)} as well: some visitors go there{consequence}"
        return Finding("dns", name, bad, what, f"remove the record {name} {_kind(strange[0])} {strange[0]}")
    what = f"leads to {_listed(found)}, and not to this server ({_listed(ours)}){consequence}"
    return Finding("dns", name, bad, what, _record("change", name, ours))


def _is_localhost(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _judge_localhost(name: str, ours: Collection[str], place: Place) -> Finding:
    """These names mean the machine of whoever asks, and no record can change it (RFC 6761, section 6.3)."""
    if place != "elsewhere":
        return Finding("dns", name, "ok", "leads to this machine, for browsers and curl without any DNS")
    if not ours:
        return Finding("dns", name, "ok", "leads all visitors to their own machines")
    what = f"leads all visitors to their own machines, and not to this server ({_listed(ours)})"
    return Finding("dns", name, "warning", what, "write a domain into ftl.yaml that leads to the server")


def _judge_rehearsed(domain: Domain, ours: Collection[str]) -> Finding:
    """Nobody comes to a port of this machine by DNS, so that no record is missing."""
    found = domain.lookup.addresses
    if found and all(one in ours for one in found):
        return Finding("dns", domain.name, "ok", f"leads to this server ({_listed(found)})")
    leads = f"leads to {_listed(found)}" if found else "leads nowhere"
    what = f"{leads}; this server is reached at a port of this machine, where DNS sends nobody"
    return Finding("dns", domain.name, "ok", what)


def _record(verb: Literal["create", "change"], name: str, ours: Collection[str]) -> str:
    """What makes a name lead to the server: a public record where there can be one, and for a public address alone."""
    best = _best(ours)
    if not is_public(some_host(name)):
        address = best or "ADDRESS-OF-THE-SERVER"
        return f"no public name: add `{address} {name}` to the network's own DNS server, or to visitors' /etc/hosts"
    if best is not None and not ipaddress.ip_address(best).is_global:
        return (
            f"{verb} the record {name} A with the server's public address ({best} is one of a private network); for "
            "visitors of that network alone, its own DNS server can name it"
        )
    return f"{verb} the record {name} A {best or 'ADDRESS-OF-THE-SERVER'} with the domain's DNS provider"


def _cdn_fix(cdn: str, *, certified: bool) -> str:
    if not certified:
        return "nothing, if that is meant"
    who = "SSL/TLS mode `Full (strict)`" if cdn == "Cloudflare" else "HTTPS to the server"
    return (
        f"let it use {who} and pass /.well-known/acme-challenge/ on; or switch it off for this name until the first "
        "certificate is there"
    )


def _tellable(strange: Collection[str], ours: Collection[str]) -> bool:
    """A public address cannot be held against a server of which only private ones are known (NAT)."""
    public = [one for one in ours if ipaddress.ip_address(one).is_global]
    return bool(public) or not any(ipaddress.ip_address(one).is_global for one in strange)


def _best(ours: Collection[str]) -> str | None:
    """The address for a record: a public one if there is one, else the first."""
    parsed = [one for one in map(ipaddress.ip_address, ours) if one.version == 4 and not one.is_loopback]
    return str(min(parsed, key=lambda one: not one.is_global)) if parsed else None


def _kind(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _listed(addresses: Collection[str]) -> str:
    shown = list(addresses)[:3]
    return ", ".join(shown) + (", ..." if len(addresses) > 3 else "")
