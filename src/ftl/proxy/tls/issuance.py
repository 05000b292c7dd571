"""Whether the authority gave certificates for new hosts: seen in Caddy's storage, and why not in Caddy's log.

As Caddy 2.11 (certmagic, acmez) writes it: one JSON object a line, with `logger`, `msg`, `identifier` and `error`.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.json_fields import as_object, as_str
from ftl.proxy import scripts
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
    """How far hosts came.

    Attributes:
        issued: Those whose certificate is there.
        refused: Why the last attempt for a host failed, in the authority's words.
        trouble: Why the authority is asked again and again; empty where it answers.
    """

    issued: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""

    def reason(self, host: str) -> str:
        """Why a host has no certificate yet, as far as that is known."""
        return self.refused.get(host, self.trouble)

    def settled(self, hosts: Collection[str]) -> bool:
        """Whether there is nothing to wait for."""
        return all(host in self.issued or host in self.refused for host in hosts)


def hosts_to_certify(site: Site, before: Site | None) -> dict[str, str]:
    """The hosts that an authority is asked about for the first time, or for the first time by this project's way.

    Returns:
        By host, the file that its certificate will be (see `SecuredHost.certificate_file`).
    """
    known = (
        {host: one.issuer for host, one in policy.secured_hosts([before]).items() if one.uses_acme}
        if before
        else {}
    )
    secured = policy.secured_hosts([site])
    return {
        host: one.certificate_file
        for host, one in secured.items()
        if one.uses_acme and known.get(host) != one.issuer
    }


async def wait_for_certificates(
    engine: Engine, container: str, files: Mapping[str, str], *, seconds: float
) -> Issuance:
    """Wait until each host has its certificate or was refused one, at most so long.

    Args:
        engine: The server's.
        container: The proxy.
        files: By host, its certificate's file: one of another issuer is no answer.
        seconds: How long.

    Raises:
        EngineError: The proxy cannot be asked.
    """
    seen = Issuance()
    try:
        async with asyncio.timeout(seconds):
            while True:
                seen = await _look(engine, container, files)
                if seen.settled(files):
                    return seen
                await asyncio.sleep(_INTERVAL)
    except TimeoutError:
        return seen


async def _look(engine: Engine, container: str, files: Mapping[str, str]) -> Issuance:
    done = await engine.execute(container, scripts.certified(files))
    issued = frozenset(done.stdout.decode().split())
    if issued.issuperset(files):
        return Issuance(issued)
    told = await failures_in_log(engine, container)
    refused = {host: words for host, words in told.refused.items() if host in files and host not in issued}
    return Issuance(issued, refused, told.trouble)


async def failures_in_log(engine: Engine, container: str) -> Issuance:
    """What the proxy's log says of hosts that got no certificate.

    Raises:
        EngineError: The proxy cannot be asked.
    """
    lines = [line.text async for line in engine.logs(container, tail=_LOG_LINES)]
    refused, trouble = parse_log(lines)
    return Issuance(refused=refused, trouble=trouble)


def parse_log(lines: Iterable[str]) -> tuple[dict[str, str], str]:
    """Why hosts have no certificate, by a log: what the last attempt for each came to, if it is over.

    Returns:
        The words for each host; and why requests to the authority itself failed since the last attempt began.
    """
    found: dict[str, str] = {}
    trouble = ""
    for line in lines:
        try:
            entry = as_object(json.loads(line))
        except ValueError:
            continue
        host = as_str(entry.get("identifier"))
        if entry.get("msg") == _BEGINS:
            found.pop(host, None)
            trouble = ""
        elif entry.get("msg") == _RETRIES:
            trouble = _words(as_str(entry.get("error")))
        elif entry.get("msg") == _FAILS and host:
            found[host] = _words(as_str(entry.get("error")))
    return found, trouble


def _words(error: str) -> str:
    """Without the brackets and addresses that Caddy puts around the authority's words."""
    words = re.sub(r"\s*\(order=\S+\)|\s*\(ca=\S+\)", "", error)
    return re.sub(r"^(\[[^\]]*\] )+", "", words).strip()


# What an authority's problem (RFC 8555, 6.7; Let's Encrypt's and pebble's words) nearly always means, and what helps.
_LIKELY: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"NXDOMAIN|no valid A records|No valid IP|acme:error:dns"),
        "the name has no address yet: let its A (and AAAA) record lead to the server, and wait until that is known",
    ),
    (
        re.compile(r"acme:error:(connection|tls)\b|Timeout during connect|firewall", re.IGNORECASE),
        "the authority does not get through to the server: ports 80 and 443 must be open to everybody, also in the "
        "provider's firewall, and every A and AAAA record must lead there",
    ),
    (
        re.compile(r"acme:error:(unauthorized|incorrectResponse)"),
        "something else answered for the name: its A and AAAA records lead to another server, or a CDN is in front "
        "(let it pass /.well-known/acme-challenge/ on, or use a certificate of its own)",
    ),
    (re.compile(r"acme:error:caa"), "a CAA record of the domain lets only other authorities sign for it"),
    (
        re.compile(r"acme:error:rateLimited"),
        "the authority has had enough for now; until when is in its words. The proxy tries again by itself",
    ),
    (
        re.compile(r"acme:error:(invalidContact|unsupportedContact)"),
        "set `project.email` to an address that exists",
    ),
    (
        re.compile(r"acme:error:externalAccountRequired"),
        "this authority wants an account that was made by hand, which FTL cannot use: take another `acme_ca`",
    ),
    (
        re.compile(r"acme:error:rejectedIdentifier"),
        "the authority does not sign for this name: take another `acme_ca`, `internal`, or a certificate of your own",
    ),
    (
        re.compile(r"no solvers available|dns-01"),
        "for a wildcard an authority wants a DNS record changed, which FTL cannot do: name the hosts one by one, or "
        "give a certificate of your own",
    ),
    (
        re.compile(r"unknown authority|x509:"),
        "the server does not trust the authority's own certificate: name its root with `acme_ca_root`",
    ),
    (
        re.compile(
            r"no such host|connection refused|i/o timeout|deadline exceeded|unreachable|provisioning client"
        ),
        "the server does not reach the authority: check `acme_ca`, and that the server may connect out",
    ),
)


def likely_cause(words: str) -> str:
    """What a refusal most likely means, and what to do."""
    for pattern, meaning in _LIKELY:
        if pattern.search(words):
            return meaning
    return "`ftl doctor` looks at the domain from outside; the proxy tries again by itself"
