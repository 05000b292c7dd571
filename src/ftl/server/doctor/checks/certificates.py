"""CERTIFICATES: what the server serves for each domain, and the files of a certificate of one's own."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.proxy.site import UserCertificate
from ftl.proxy.tls import user_certificate, x509
from ftl.proxy.tls.issuance import failures_in_log, likely_cause
from ftl.proxy.tls.policy import uses_acme
from ftl.server.doctor.checks.dns import some_host
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ftl.config import Proxy
    from ftl.engine.api import Engine
    from ftl.engine.values import Container
    from ftl.ssh.machine import Machine

SECONDS = 1.5
"""For a handshake."""

HTTPS = 443

SOON = timedelta(days=14)
"""What is left of a certificate when somebody should know; of short-lived ones a sixth is."""

LOGS = "`docker logs ftl-proxy` on the server says what the authority answered"


@dataclass(frozen=True, slots=True)
class Served:
    """What came of a handshake with the server for one domain.

    Attributes:
        certificate: What it showed; None where the handshake failed.
        failure: Why it failed.
        refusal: The authority's words, where it would not certify the host.
        distrust: Why this machine does not trust it; None where it does.
    """

    host: str
    certificate: x509.X509Certificate | None
    failure: str = ""
    refusal: str = ""
    distrust: str | None = None


# --- gathering ------------------------------------------------------------------------------------------


async def serve(machine: Machine, host: str) -> Served:
    """Ask the server for a domain's certificate, twice: as one who takes any, and as one who does not.

    The connection goes through SSH to the server's own port, whatever firewalls, CDNs and records lie before it.

    Raises:
        ServerError: The server does not answer any more.
    """
    anyone, strict = _contexts()
    async with machine.dial("127.0.0.1", HTTPS) as url:
        shown, trusted = await asyncio.gather(_shake(url, host, anyone), _shake(url, host, strict))
    if isinstance(shown, str):
        return Served(host, None, failure=shown)
    try:
        certificate = x509.read(shown)
    except ValueError as error:
        return Served(host, None, failure=str(error))
    return Served(host, certificate, distrust=trusted if isinstance(trusted, str) else None)


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """One that takes any certificate, and one that takes those that this machine trusts, whatever their names."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    strict = ssl.create_default_context()  # reads the machine's authorities, which takes its time
    strict.check_hostname = False
    return anyone, strict


async def with_refusals(
    served: Sequence[Served], engine: Engine, proxy: Container, certified: Collection[str]
) -> list[Served]:
    """The same, with what the authority said of those that have no certificate: it is in the proxy's log.

    Args:
        served: What was shown.
        engine: The server's.
        proxy: The proxy there.
        certified: The hosts that an authority certifies.

    Raises:
        EngineError: The proxy cannot be asked.
    """
    missing = [one.host for one in served if one.certificate is None and one.host in certified]
    if not missing:
        return list(served)
    try:
        async with asyncio.timeout(SECONDS):
            told = await failures_in_log(engine, proxy.name)
    except TimeoutError:
        return list(served)
    return [replace(one, refusal=told.reason(one.host)) if one.host in missing else one for one in served]


async def _shake(url: str, host: str, context: ssl.SSLContext) -> bytes | str:
    """The certificate of a handshake, or why there was none."""
    name = some_host(host)
    scheme, _, place = url.partition("://")
    try:
        async with asyncio.timeout(SECONDS):
            if scheme == "unix":
                opened = asyncio.open_unix_connection(place, ssl=context, server_hostname=name)
            else:
                address, _, port = place.rpartition(":")
                opened = asyncio.open_connection(address, int(port), ssl=context, server_hostname=name)
            _, writer = await opened
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
        return tls.getpeercert(binary_form=True) or "it showed no certificate"
    finally:
        writer.transport.abort()


# --- judging --------------------------------------------------------------------------------------------


def judge_own(proxy: Proxy, root: Path, hosts: Sequence[str], now: datetime) -> list[Finding]:
    """The certificate and key that ftl.yaml names, before they are deployed.

    Args:
        proxy: The section; without a certificate there is nothing to say.
        root: The folder of ftl.yaml.
        hosts: Whom it has to serve.
        now: The time.
    """
    if not proxy.certificate or not proxy.key:
        return []
    try:
        chain, key = (
            (root / Path(name).expanduser()).read_bytes() for name in (proxy.certificate, proxy.key)
        )
    except OSError as error:
        what = f"{error.filename} cannot be read: {error.strerror}"
        return [Finding("certificates", proxy.certificate, "problem", what, "name files that are there")]
    try:
        user_certificate.check_certificate(UserCertificate(chain, key), hosts)
        certificate = x509.read_pem(chain.decode(errors="replace"))
    except user_certificate.InvalidCertificate as error:
        return [Finding("certificates", proxy.certificate, "problem", error.message, error.hint)]
    except ValueError as error:
        return [Finding("certificates", proxy.certificate, "warning", str(error), "is it whole?")]
    return [_judge_time(proxy.certificate, certificate, now, fix="renew it with whoever signed it")]


def is_by_acme(proxy: Proxy, host: str) -> bool:
    """Whether an authority must reach the server by this name, or there will be no certificate."""
    mine, private = proxy.certificate is not None, proxy.acme_ca_root is not None
    return uses_acme(host, proxy.tls, user_certificate=mine, private_authority=private)


def judge_served(served: Served, proxy: Proxy, now: datetime) -> Finding:
    """What visitors of a domain are shown."""
    host, certificate = served.host, served.certificate
    uses_acme = is_by_acme(proxy, host)
    if certificate is None and served.refusal:
        what = f"the authority gives no certificate: {served.refusal}"
        return Finding("certificates", host, "problem", what, likely_cause(served.refusal))
    if certificate is None:
        what = f"the server shows no certificate: {served.failure}"
        fix = LOGS if uses_acme else "`ftl deploy` gives the proxy its routes"
        return Finding("certificates", host, "problem" if uses_acme else "warning", what, fix)
    if not certificate.covers(some_host(host)):
        what = f"the server shows a certificate for {', '.join(certificate.names) or 'no name'}"
        return Finding("certificates", host, "problem", what, LOGS if uses_acme else "`ftl deploy`")
    fix = (
        "put a new one into the files of `proxy.certificate`, and `ftl deploy`" if proxy.certificate else LOGS
    )
    finding = _judge_time(host, certificate, now, fix=fix)
    if finding.level != "ok" or served.distrust is None:
        return finding
    if not uses_acme and not proxy.certificate:
        what = f"{finding.what}; only who was told to trusts the proxy's own authority"
        return Finding("certificates", host, "ok", what)
    what = f"{finding.what}; this machine does not trust it: {served.distrust}"
    why = (
        "is `proxy.acme_ca` a test authority?"
        if proxy.acme_ca
        else "is the chain whole, in `proxy.certificate`?"
    )
    return Finding("certificates", host, "warning", what, why)


def _judge_time(name: str, certificate: x509.X509Certificate, now: datetime, *, fix: str) -> Finding:
    """How long a certificate is good for."""
    left = certificate.not_after - now
    said = f"issued by {certificate.issuer}"
    if now < certificate.not_before:
        what = f"{said}, and not valid before {_day(certificate.not_before)}"
        return Finding("certificates", name, "problem", what, "look at the server's clock, or wait")
    if left <= timedelta(0):
        return Finding(
            "certificates", name, "problem", f"{said}; expired on {_day(certificate.not_after)}", fix
        )
    what = f"{said}, good for {_span(left)}"
    if left < min(SOON, (certificate.not_after - certificate.not_before) / 6):
        return Finding("certificates", name, "warning", f"{what} only", fix)
    return Finding("certificates", name, "ok", what)


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}"


def _span(left: timedelta) -> str:
    days = left.days
    if days >= 1:
        return "1 day" if days == 1 else f"{days} days"
    return f"{int(left.total_seconds() // 3600)} h"
