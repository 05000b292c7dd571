"""Validate a user-supplied certificate locally before it is uploaded.

By a TLS handshake with itself, in memory: OpenSSL judges the certificate as it will for every visitor, apart from trust
in its issuer. OpenSSL decides; the names in messages are read from the certificate (`x509`).
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from ftl.common.private_folder import private_folder
from ftl.proxy.tls import x509

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ftl.proxy.project_site import UserCertificate

# X509_V_ERR_... of OpenSSL's x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10

# EE_KEY_TOO_SMALL, CA_KEY_TOO_SMALL, CA_MD_TOO_WEAK of OpenSSL's sslerr.h
_WEAK = re.compile(r"TOO_(SMALL|WEAK)$")

_PREFIX = "ftl-certificate-"


class InvalidCertificate(Exception):
    """A certificate that cannot be used, by its key in ftl.yaml, and how to fix it."""

    def __init__(self, field: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.hint = hint


def check_certificate(certificate: UserCertificate, hosts: Iterable[str]) -> None:
    """Check that a certificate and its key can be used for these hosts.

    Raises:
        InvalidCertificate: They do not belong together, a host is not covered, it is not valid now, or not PEM.
    """
    server = _server(certificate)
    leaf = _leaf(certificate)
    uncovered = [host for host in hosts if not _serves(server, leaf, host)]
    if uncovered:
        names = ", ".join(_names(leaf)) or "no host"
        raise InvalidCertificate(
            "certificate",
            f"certificate: it does not cover {', '.join(uncovered)}",
            f"it covers {names}: use one for all hosts of the routes, or remove `certificate` and `key`",
        )


def _leaf(certificate: UserCertificate) -> str:
    try:
        return x509.first_pem(certificate.chain.decode("ascii", "replace"))
    except ValueError:
        raise _no_certificate() from None


def _names(leaf: str) -> tuple[str, ...]:
    """Names that the certificate covers."""
    try:
        return x509.read_pem(leaf).names
    except ValueError:
        return ()


def _server(certificate: UserCertificate) -> ssl.SSLContext:
    """The server's end of the handshake. OpenSSL reads both only from files: they exist for a moment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with private_folder(_PREFIX) as folder:
        chain, key = folder / "chain", folder / "key"
        chain.write_bytes(certificate.chain)
        key.write_bytes(certificate.key)
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), chain)
        try:
            context.load_cert_chain(chain, key, password=_refuse_password)
        except _Encrypted:
            hint = "the proxy cannot ask for it: remove it with `openssl pkey -in KEY -out NEW`"
            raise InvalidCertificate("key", "key: it is protected by a password", hint) from None
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                hint = "use the key that the certificate was requested with"
                raise InvalidCertificate("key", "key: it does not belong to the certificate", hint) from None
            if _WEAK.search(error.reason or ""):
                reason = (error.reason or "").lower().replace("_", " ")
                hint = "browsers reject it: use one with an RSA 2048 or ECDSA P-256 key, signed with SHA-256"
                raise InvalidCertificate(
                    "certificate", f"certificate: it is too weak ({reason})", hint
                ) from None
            hint = "it must be PEM: `-----BEGIN PRIVATE KEY-----`"
            raise InvalidCertificate("key", "key: it contains no private key", hint) from None
    return context


class _Encrypted(Exception):
    """OpenSSL asked for a password."""


def _refuse_password() -> str:
    raise _Encrypted


def _load(context: ssl.SSLContext, chain: Path) -> None:
    try:
        context.load_verify_locations(chain)
    except ssl.SSLError:
        raise _no_certificate() from None


def _no_certificate() -> InvalidCertificate:
    hint = "it must be PEM (`-----BEGIN CERTIFICATE-----`): the server's certificate, then its chain"
    return InvalidCertificate("certificate", "certificate: it contains no certificate", hint)


def _serves(server: ssl.SSLContext, leaf: str, host: str) -> bool:
    """Whether a client that trusts the certificate accepts it for a host.

    Raises:
        InvalidCertificate: No client accepts it for any host.
    """
    # Clients never ask for the wildcard itself.
    server_name = host.replace("*", "any", 1) if host.startswith("*.") else host
    try:
        _handshake(server, _client(leaf), server_name)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            raise InvalidCertificate("certificate", "certificate: it has expired", "renew it") from None
        if error.verify_code == _NOT_YET_VALID:
            hint = "wait until then, or correct this machine's clock"
            raise InvalidCertificate("certificate", "certificate: it is not valid yet", hint) from None
        return False
    return True


def _client(leaf: str) -> ssl.SSLContext:
    """A client that trusts this certificate itself, regardless of its issuer."""
    client = ssl.create_default_context(cadata=leaf)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return client


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Do a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server, server_hostname=host)
    for end in (client_end, server_end, client_end, server_end):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
