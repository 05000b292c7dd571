"""A certificate of the user's own, looked at on this machine before any of it is sent.

By a handshake with itself, in memory: OpenSSL says of the certificate what it will say to every visitor, but for whom
they trust. It decides; what the certificate is for is read (`x509`).
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from ftl.private_folder import private_folder
from ftl.proxy.tls import x509

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ftl.proxy.site import UserCertificate

# X509_V_ERR_... of OpenSSL's x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10

# EE_KEY_TOO_SMALL, CA_KEY_TOO_SMALL, CA_MD_TOO_WEAK of OpenSSL's sslerr.h
_WEAK = re.compile(r"TOO_(SMALL|WEAK)$")

_PREFIX = "ftl-certificate-"


class InvalidCertificate(Exception):
    """A certificate that cannot serve.

    Attributes:
        field: Which of the two files is to blame.
        hint: What to do about it.
    """

    def __init__(self, field: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.hint = hint


def check_certificate(certificate: UserCertificate, hosts: Iterable[str]) -> None:
    """See that a certificate and its key can serve these hosts.

    Raises:
        InvalidCertificate: They do not belong to each other, it does not cover a host, is not valid now, or is not PEM.
    """
    server = _server(certificate)
    leaf = _leaf(certificate)
    uncovered = [host for host in hosts if not _serves(server, leaf, host)]
    if uncovered:
        names = ", ".join(_names(leaf)) or "no host"
        raise InvalidCertificate(
            "certificate",
            f"certificate: it does not cover {', '.join(uncovered)}",
            f"it is for {names}: get one for all hosts of the routes, or leave both keys out",
        )


def _leaf(certificate: UserCertificate) -> str:
    try:
        return x509.first_pem(certificate.chain.decode("ascii", "replace"))
    except ValueError:
        raise _no_certificate() from None


def _names(leaf: str) -> tuple[str, ...]:
    """For whom the certificate is."""
    try:
        return x509.read_pem(leaf).names
    except ValueError:
        return ()


def _server(certificate: UserCertificate) -> ssl.SSLContext:
    """What will serve. OpenSSL reads both from files alone: in a folder of our own, for a moment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with private_folder(_PREFIX) as folder:
        chain, key = folder / "chain", folder / "key"
        chain.write_bytes(certificate.chain)
        key.write_bytes(certificate.key)
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), chain)
        try:
            context.load_cert_chain(chain, key, password=_refuse_password)
        except _Encrypted:
            hint = "the proxy has nobody to ask: `openssl pkey -in KEY -out NEW` takes the password away"
            raise InvalidCertificate("key", "key: it is protected by a password", hint) from None
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                hint = "take the key that the certificate was asked for with"
                raise InvalidCertificate("key", "key: it is not the certificate's", hint) from None
            if _WEAK.search(error.reason or ""):
                words = (error.reason or "").lower().replace("_", " ")
                hint = "visitors turn away from it: get one with a key of RSA 2048 or ECDSA P-256, signed by SHA-256"
                raise InvalidCertificate(
                    "certificate", f"certificate: it is too weak ({words})", hint
                ) from None
            hint = "it must be PEM: `-----BEGIN PRIVATE KEY-----`"
            raise InvalidCertificate("key", "key: there is no private key in it", hint) from None
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
    hint = "it must be PEM: `-----BEGIN CERTIFICATE-----`, the server's own first, its chain after it"
    return InvalidCertificate("certificate", "certificate: there is no certificate in it", hint)


def _serves(server: ssl.SSLContext, leaf: str, host: str) -> bool:
    """Whether a visitor who trusts the certificate takes it for a host.

    Raises:
        InvalidCertificate: Nobody takes it for anything.
    """
    # A wildcard's own name is none that anybody asks for.
    asked = host.replace("*", "any", 1) if host.startswith("*.") else host
    try:
        _shake_hands(server, _visitor(leaf), asked)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            raise InvalidCertificate("certificate", "certificate: it has expired", "renew it") from None
        if error.verify_code == _NOT_YET_VALID:
            hint = "wait, or set this machine's clock"
            raise InvalidCertificate("certificate", "certificate: it is not valid yet", hint) from None
        return False
    return True


def _visitor(leaf: str) -> ssl.SSLContext:
    """One who trusts this certificate itself, whoever signed it."""
    client = ssl.create_default_context(cadata=leaf)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return client


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """A handshake of the two.

    Raises:
        ssl.SSLCertVerificationError: The client does not take the server for the host.
    """
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(up, down, server_side=True)
    here = client.wrap_bio(down, up, server_hostname=host)
    for end in (here, there, here, there):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
