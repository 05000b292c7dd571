"""Checks of certificates: the user's files, and those that the server presents."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Proxy
from ftl.proxy.tls import x509
from ftl.server.doctor.checks import certificates
from ftl.server.doctor.checks.certificates import ServedCertificate

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GOOD = x509.X509Certificate(
    "Let's Encrypt R11", ("shop.example.com",), NOW - timedelta(days=20), NOW + timedelta(days=70)
)
AUTO, INTERNAL = Proxy(), Proxy(tls="internal")
OWN = Proxy(certificate="shop.pem", key="shop.key")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, and another key."""
    made = tmp_path_factory.mktemp("certificates")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = "subjectAltName=DNS:shop.example.com,DNS:*.shop.example.com,IP:203.0.113.5"
    for stem in ("shop", "other"):
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                *curve,
                "-days",
                "30",
                "-subj",
                "/O=Shop Ltd/CN=shop",
                "-addext",
                names,
                "-keyout",
                made / f"{stem}.key",
                "-out",
                made / f"{stem}.pem",
            ],
            check=True,
            capture_output=True,
        )
    locked = ("-aes256", "-passout", "pass:secret", "-in", made / "shop.key", "-out", made / "locked.key")
    subprocess.run(["openssl", "ec", *locked], check=True, capture_output=True)
    return made


@pytest.mark.parametrize(
    ("certificate", "key", "host", "words"),
    [
        ("shop.pem", "shop.key", "www.shop.example.com", None),
        ("shop.pem", "other.key", "shop.example.com", "it does not belong to the certificate"),
        ("shop.pem", "locked.key", "shop.example.com", "protected by a password"),
        ("shop.pem", "none.key", "shop.example.com", "none.key cannot be read: No such file"),
        ("shop.pem", "shop.key", "blog.example.com", "does not cover blog.example.com"),
    ],
)
def test_the_user_s_files(folder: Path, certificate: str, key: str, host: str, words: str | None) -> None:
    """A certificate and key that do not work are found before a deploy, without asking for a passphrase."""
    proxy = Proxy(certificate=certificate, key=key)
    (found,) = certificates.judge_files(proxy, folder, [host], datetime.now(UTC))
    if words is None:
        assert found.level == "ok"
        assert "valid for 29 days" in found.what
    else:
        assert found.level == "problem"
        assert words in found.what
        assert found.fix
    assert certificates.judge_files(AUTO, folder, [host], datetime.now(UTC)) == []


@pytest.mark.parametrize(
    ("served", "proxy", "level", "words"),
    [
        (
            ServedCertificate("shop.example.com", GOOD),
            AUTO,
            "ok",
            "issued by Let's Encrypt R11, valid for 70 days",
        ),
        (
            ServedCertificate(
                "shop.example.com",
                replace(GOOD, not_before=NOW - timedelta(days=81), not_after=NOW + timedelta(days=9)),
            ),
            AUTO,
            "warning",
            "valid for only 9 days",
        ),
        (
            ServedCertificate(
                "shop.example.com", replace(GOOD, not_before=NOW, not_after=NOW + timedelta(days=6))
            ),
            AUTO,
            "ok",
            "valid for 6 days",
        ),
        (
            ServedCertificate("shop.example.com", replace(GOOD, not_after=NOW - timedelta(days=3))),
            OWN,
            "problem",
            "expired on 2026-05-29",
        ),
        (
            ServedCertificate("shop.example.com", replace(GOOD, not_before=NOW + timedelta(days=1))),
            AUTO,
            "problem",
            "not valid before 2026-06-02",
        ),
        (ServedCertificate("www.example.com", GOOD), AUTO, "problem", "a certificate for shop.example.com"),
        (
            ServedCertificate("shop.example.com", None, "tlsv1 alert internal error"),
            AUTO,
            "problem",
            "no certificate",
        ),
        (
            ServedCertificate("shop.example.com", None, "internal error", "urn:ietf:params:acme:error:caa"),
            AUTO,
            "problem",
            "the CA refuses to issue a certificate: urn:ietf:params:acme:error:caa",
        ),
        (
            ServedCertificate("shop.example.com", None, "connection reset"),
            INTERNAL,
            "warning",
            "no certificate",
        ),
        (
            ServedCertificate("shop.example.com", GOOD, distrust="self-signed certificate"),
            AUTO,
            "warning",
            "does not trust it: self-signed",
        ),
        (
            ServedCertificate("shop.example.com", GOOD, distrust="self-signed certificate"),
            INTERNAL,
            "ok",
            "the proxy's own CA",
        ),
    ],
)
def test_a_served_certificate(served: ServedCertificate, proxy: Proxy, level: str, words: str) -> None:
    """Its issuer, validity, names and trust are compared with the settings in ftl.yaml."""
    found = certificates.judge_served(served, proxy, NOW)
    assert found.level == level
    assert words in found.what
    assert (found.fix is None) == (level == "ok")


@pytest.mark.parametrize(
    ("proxy", "host", "expected"),
    [
        (AUTO, "shop.example.com", True),
        (AUTO, "shop.lan", False),
        (Proxy(acme_ca="https://ca.lan/dir", acme_ca_root="root.pem"), "shop.lan", True),
        (Proxy(acme_ca="https://ca.lan/dir"), "shop.lan", False),
        (OWN, "shop.example.com", False),
        (INTERNAL, "shop.example.com", False),
    ],
)
def test_whether_a_ca_issues_the_certificate(proxy: Proxy, host: str, expected: bool) -> None:
    """As the proxy is configured: a private CA issues certificates for names of any kind."""
    assert certificates.host_uses_acme(proxy, host) is expected
