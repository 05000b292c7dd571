"""Checks of certificates: those that the server presents, and the user's files."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from ftl.common.files import read_small_file
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.proxy.project_site import UserCertificate
from ftl.proxy.tls import user_certificate, x509
from ftl.proxy.tls.issuance import failures_in_log, likely_cause
from ftl.proxy.tls.policy import uses_acme
from ftl.server.doctor.checks.dns import sample_host
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from ftl.config.models.project import Proxy
    from ftl.engine.api import Engine
    from ftl.engine.values import Container
    from ftl.ssh.machine import Machine

SECONDS = 1.5
"""Limit for a handshake."""

HTTPS = 443

SOON = timedelta(days=14)
"""Time before expiry from which there is a warning; at most a sixth of the lifetime."""

LOGS = "on the server: `docker logs ftl-proxy` shows the CA's answer"


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """The result of a TLS handshake with the server for one domain.

    Attributes:
        certificate: What the server presented; None where the handshake failed.
        ca_error: The CA's message, where it refused to issue a certificate.
        distrust: Why this machine does not trust the certificate; None where it does.
    """

    host: str
    certificate: x509.X509Certificate | None
    error: str = ""
    ca_error: str = ""
    distrust: str | None = None


async def fetch(machine: Machine, host: str) -> ServedCertificate:
    """Fetch a domain's certificate by two handshakes: without verification, and with it.

    The connection goes through SSH to the server's own port, past firewalls, CDNs and DNS records.

    Raises:
        ServerError: The server no longer answers.
    """
    unverified, verified = _contexts()
    async with machine.dial("127.0.0.1", HTTPS) as url:
        presented, trusted = await asyncio.gather(
            _handshake(url, host, unverified), _handshake(url, host, verified)
        )
    if isinstance(presented, str):
        return ServedCertificate(host, None, error=presented)
    try:
        certificate = x509.read(presented)
    except ValueError as error:
        return ServedCertificate(host, None, error=str(error))
    return ServedCertificate(host, certificate, distrust=trusted if isinstance(trusted, str) else None)


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A context without verification, and one that verifies the chain with this machine's CAs, but not the name."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    verified = ssl.create_default_context()  # reads the machine's CAs, which takes some time
    verified.check_hostname = False
    return unverified, verified


async def with_ca_errors(
    served: Sequence[ServedCertificate], engine: Engine, proxy: Container, by_acme: Collection[str]
) -> list[ServedCertificate]:
    """Add the CA's messages for hosts without a certificate, from the proxy's log.

    `by_acme` are the hosts whose certificate a CA issues.

    Raises:
        EngineError: The proxy cannot be asked.
    """
    missing = [item.host for item in served if item.certificate is None and item.host in by_acme]
    if not missing:
        return list(served)
    try:
        async with asyncio.timeout(SECONDS):
            failures = await failures_in_log(engine, proxy.name)
    except TimeoutError:
        return list(served)
    return [
        replace(item, ca_error=failures.reason(item.host)) if item.host in missing else item
        for item in served
    ]


async def _handshake(url: str, host: str, context: ssl.SSLContext) -> bytes | str:
    """The certificate of a handshake, or the error."""
    name = sample_host(host)
    scheme, _, location = url.partition("://")
    try:
        async with asyncio.timeout(SECONDS):
            if scheme == "unix":
                connecting = asyncio.open_unix_connection(location, ssl=context, server_hostname=name)
            else:
                address, _, port = location.rpartition(":")
                connecting = asyncio.open_connection(address, int(port), ssl=context, server_hostname=name)
            _, writer = await connecting
    except TimeoutError:
        return "it did not answer in time"
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except ssl.SSLError as error:
        return (error.reason or str(error)).lower().replace("_", " ")
    except OSError as error:
        return (error.strerror or str(error) or "the connection was closed").lower()
    try:
        tls = writer.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) or "it presented no certificate"
    finally:
        writer.transport.abort()


def judge_files(proxy: Proxy, root: Path, hosts: Sequence[str], now: datetime) -> list[Finding]:
    """The certificate and key that ftl.yaml names, before they are deployed.

    There are no findings where the section names none; `hosts` are those that it must cover.
    """
    if not proxy.certificate or not proxy.key:
        return []
    try:
        chain, key = (read_small_file(root / name) for name in (proxy.certificate, proxy.key))
    except OSError as error:
        what = f"{error.filename} cannot be read: {error.strerror}"
        return [Finding("certificates", proxy.certificate, "problem", what, "name existing files")]
    try:
        user_certificate.check_certificate(UserCertificate(chain, key), hosts)
        certificate = x509.read_pem(chain.decode(errors="replace"))
    except user_certificate.InvalidCertificate as error:
        return [Finding("certificates", proxy.certificate, "problem", error.message, error.hint)]
    except ValueError as error:
        return [Finding("certificates", proxy.certificate, "warning", str(error), "is the file complete?")]
    return [_judge_validity(proxy.certificate, certificate, now, fix="renew it with the CA that issued it")]


def host_uses_acme(proxy: Proxy, host: str) -> bool:
    """Whether a CA must be able to reach the server by this name, or it gets no certificate."""
    own, private = proxy.certificate is not None, proxy.acme_ca_root is not None
    return uses_acme(host, proxy.tls, user_certificate=own, private_authority=private)


def judge_served(served: ServedCertificate, proxy: Proxy, now: datetime) -> Finding:
    """The certificate that visitors of a domain get."""
    host, certificate = served.host, served.certificate
    by_acme = host_uses_acme(proxy, host)
    if certificate is None and served.ca_error:
        what = f"the CA refuses to issue a certificate: {served.ca_error}"
        return Finding("certificates", host, "problem", what, likely_cause(served.ca_error))
    if certificate is None:
        what = f"the server presents no certificate: {served.error}"
        fix = LOGS if by_acme else f"{ftl('deploy')} configures the proxy"
        return Finding("certificates", host, "problem" if by_acme else "warning", what, fix)
    if not certificate.covers(sample_host(host)):
        what = f"the server presents a certificate for {', '.join(certificate.names) or 'no name'}"
        return Finding("certificates", host, "problem", what, LOGS if by_acme else ftl("deploy"))
    renew = f"put a new one into the file of `proxy.certificate`, then {ftl('deploy')}"
    finding = _judge_validity(host, certificate, now, fix=renew if proxy.certificate else LOGS)
    if finding.level != "ok" or served.distrust is None:
        return finding
    if not by_acme and not proxy.certificate:
        what = f"{finding.what}; only clients that trust the proxy's own CA accept it"
        return Finding("certificates", host, "ok", what)
    what = f"{finding.what}; this machine does not trust it: {served.distrust}"
    fix = (
        "is `proxy.acme_ca` a test CA?" if proxy.acme_ca else "is the chain in `proxy.certificate` complete?"
    )
    return Finding("certificates", host, "warning", what, fix)


def _judge_validity(name: str, certificate: x509.X509Certificate, now: datetime, *, fix: str) -> Finding:
    """The time for which a certificate is valid."""
    left = certificate.not_after - now
    issued = f"issued by {certificate.issuer}"
    if now < certificate.not_before:
        what = f"{issued}, and not valid before {_day(certificate.not_before)}"
        return Finding("certificates", name, "problem", what, "check the server's clock, or wait")
    if left <= timedelta(0):
        what = f"{issued}, expired on {_day(certificate.not_after)}"
        return Finding("certificates", name, "problem", what, fix)
    if left < min(SOON, (certificate.not_after - certificate.not_before) / 6):
        return Finding("certificates", name, "warning", f"{issued}, valid for only {_span(left)}", fix)
    return Finding("certificates", name, "ok", f"{issued}, valid for {_span(left)}")


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}"


def _span(left: timedelta) -> str:
    days = left.days
    if days >= 1:
        return "1 day" if days == 1 else f"{days} days"
    return f"{int(left.total_seconds() // 3600)} h"
