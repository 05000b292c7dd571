"""Certificate issuance: issued certificates in Caddy's storage, refusals in Caddy's log.

The log is as Caddy 2.11 (certmagic, acmez) writes it: one JSON object a line, with `logger`, `msg`, `identifier` and
`error`.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_str, parse_json
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.proxy import commands
from ftl.proxy.tls import policy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ftl.engine.api import Engine
    from ftl.proxy.site import Site

_INTERVAL = 0.5
_LOG_LINES = 1000

_BEGINS = "obtaining certificate"
_FAILS = "could not get certificate from issuer"
_RETRIES = "HTTP request failed; retrying"


@dataclass(frozen=True, slots=True)
class Issuance:
    """State of the issuance for some hosts.

    `refused` has the authority's message for a host's last attempt; `retry_error` is why requests to it are retried.
    """

    issued: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    retry_error: str = ""

    def reason(self, host: str) -> str:
        """The reason why a host has no certificate yet; empty if unknown."""
        return self.refused.get(host, self.retry_error)

    def finished(self, hosts: Collection[str]) -> bool:
        """Whether there is nothing to wait for."""
        return all(host in self.issued or host in self.refused for host in hosts)


def hosts_to_certify(site: Site, before: Site | None) -> dict[str, str]:
    """Hosts that get a certificate for the first time, or from another authority than before.

    Returns by host the file of the new certificate (see `SecuredHost.certificate_file`).
    """
    sites = [before] if before else []
    issuers = {name: host.issuer for name, host in policy.secured_hosts(sites).items() if host.uses_acme}
    return {
        name: host.certificate_file
        for name, host in policy.secured_hosts([site]).items()
        if host.uses_acme and issuers.get(name) != host.issuer
    }


async def wait_for_certificates(
    engine: Engine, container: str, files: Mapping[str, str], *, seconds: float
) -> Issuance:
    """Wait until each host has its certificate or was refused one.

    `files` are certificates' files by host: one from another issuer does not count.

    Raises:
        EngineError: The proxy does not answer.
    """
    issuance = Issuance()
    try:
        async with asyncio.timeout(seconds):
            while True:
                issuance = await _observe(engine, container, files)
                if issuance.finished(files):
                    return issuance
                await asyncio.sleep(_INTERVAL)
    except TimeoutError:
        return issuance


async def _observe(engine: Engine, container: str, files: Mapping[str, str]) -> Issuance:
    result = await engine.execute(container, commands.issued(files))
    issued = frozenset(result.text.split())
    if issued.issuperset(files):
        return Issuance(issued)
    failures = await failures_in_log(engine, container)
    missing = files.keys() - issued
    refused = {host: reason for host, reason in failures.refused.items() if host in missing}
    return Issuance(issued, refused, failures.retry_error)


async def failures_in_log(engine: Engine, container: str) -> Issuance:
    """Failed issuances in the proxy's log.

    Raises:
        EngineError: The proxy does not answer.
    """
    lines = [line.text async for line in engine.logs(container, tail=_LOG_LINES)]
    refused, retry_error = parse_log(lines)
    return Issuance(refused=refused, retry_error=retry_error)


def parse_log(lines: Iterable[str]) -> tuple[dict[str, str], str]:
    """Parse the outcome of each host's last finished attempt to get a certificate.

    Returns the authority's message for each host, and the last error of requests to the authority itself since the last
    attempt began.
    """
    refused: dict[str, str] = {}
    retry_error = ""
    for line in lines:
        try:
            entry = as_object(parse_json(line))
        except ValueError:
            continue
        host = as_str(entry.get("identifier"))
        if entry.get("msg") == _BEGINS:
            refused.pop(host, None)
            retry_error = ""
        elif entry.get("msg") == _RETRIES:
            retry_error = _message(as_str(entry.get("error")))
        elif entry.get("msg") == _FAILS and host:
            refused[host] = _message(as_str(entry.get("error")))
    return refused, retry_error


def _message(error: str) -> str:
    """The authority's message without the brackets and addresses that Caddy puts around it."""
    message = re.sub(r"\s*\(order=\S+\)|\s*\(ca=\S+\)", "", error)
    return re.sub(r"^(\[[^\]]*\] )+", "", message).strip()


# The usual meaning of an authority's problem (RFC 8555, 6.7; texts of Let's Encrypt and pebble), and how to fix it.
_LIKELY: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"NXDOMAIN|no valid A records|No valid IP|acme:error:dns"),
        "the name has no address yet: point its A (and AAAA) record to the server, and wait for DNS to propagate",
    ),
    (
        re.compile(r"acme:error:(connection|tls)\b|Timeout during connect|firewall", re.IGNORECASE),
        "the authority cannot reach the server: ports 80 and 443 must be open to everybody, also in the provider's "
        "firewall, and every A and AAAA record must point to the server",
    ),
    (
        re.compile(r"acme:error:(unauthorized|incorrectResponse)"),
        "something else answered for the name: its A and AAAA records point to another server, or it is behind a CDN "
        "(forward /.well-known/acme-challenge/ there, or use the CDN's origin certificate)",
    ),
    (re.compile(r"acme:error:caa"), "a CAA record of the domain permits only other authorities"),
    (
        re.compile(r"acme:error:rateLimited"),
        "the authority's rate limit is reached; its message says until when. The proxy retries by itself",
    ),
    (
        # certmagic's `mostRecentAccountEmail` takes a folder without an account in it yet for an address.
        re.compile(r"acme:error:invalidContact.*\"default\""),
        "several hosts asked for the first account at once: the proxy tries again within a minute or two; with "
        "`project.email` it does not happen",
    ),
    (
        re.compile(r"acme:error:(invalidContact|unsupportedContact)"),
        "set `project.email` to an address that exists",
    ),
    (
        re.compile(r"acme:error:externalAccountRequired"),
        "this authority requires an account created by hand, which FTL does not support: set another `acme_ca`",
    ),
    (
        re.compile(r"acme:error:rejectedIdentifier"),
        "the authority does not certify this name: set another `acme_ca`, `tls: internal`, or your own certificate",
    ),
    (
        re.compile(r"no solvers available|dns-01"),
        "for a wildcard an authority requires a DNS challenge, which FTL does not support: list the hosts one by one, "
        "or use your own certificate",
    ),
    (
        re.compile(r"unknown authority|x509:"),
        "the server does not trust the authority's TLS certificate: set `acme_ca_root` to its root certificate",
    ),
    (
        re.compile(
            r"no such host|connection refused|i/o timeout|deadline exceeded|unreachable|provisioning client"
        ),
        "the server cannot reach the authority: check `acme_ca`, and that outgoing connections are allowed",
    ),
)


def likely_cause(refusal: str) -> str:
    """The likely meaning of a refusal, and how to fix it."""
    for pattern, meaning in _LIKELY:
        if pattern.search(refusal):
            return meaning
    return f"{ftl('doctor')} checks the domain from outside; the proxy retries by itself"
