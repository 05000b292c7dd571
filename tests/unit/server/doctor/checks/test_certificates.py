"""What doctor makes of certificates: those in files and those that are served."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ftl.config import Proxy
from ftl.proxy.tls import x509
from ftl.server.doctor.checks import certificates
from ftl.server.doctor.checks.certificates import Served

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
def test_files_of_one_s_own(folder: Path, certificate: str, key: str, host: str, words: str | None) -> None:
    """A certificate and key that cannot serve are found before a deploy, and nobody is asked for a passphrase."""
    proxy = Proxy(certificate=certificate, key=key)
    (found,) = certificates.judge_own(proxy, folder, [host], datetime.now(UTC))
    if words is None:
        assert found.level == "ok"
        assert "good for 29 days" in found.what
    else:
        assert found.level == "problem"
        assert words in found.what
        assert found.fix
    assert certificates.judge_own(AUTO, folder, [host], datetime.now(UTC)) == []


@pytest.mark.parametrize(
    ("served", "proxy", "level", "words"),
    [
        (Served("shop.example.com", GOOD), AUTO, "ok", "issued by Let's Encrypt R11, good for 70 days"),
        (
            Served(
                "shop.example.com",
                replace(GOOD, not_before=NOW - timedelta(days=81), not_after=NOW + timedelta(days=9)),
            ),
            AUTO,
            "warning",
            "good for 9 days only",
        ),
        (
            Served("shop.example.com", replace(GOOD, not_before=NOW, not_after=NOW + timedelta(days=6))),
            AUTO,
            "ok",
            "good for 6 days",
        ),
        (
            Served("shop.example.com", replace(GOOD, not_after=NOW - timedelta(days=3))),
            OWN,
            "problem",
            "expired on 2026-05-29",
        ),
        (
            Served("shop.example.com", replace(GOOD, not_before=NOW + timedelta(days=1))),
            AUTO,
            "problem",
            "not valid before 2026-06-02",
        ),
        (Served("www.example.com", GOOD), AUTO, "problem", "a certificate for shop.example.com"),
        (Served("shop.example.com", None, "tlsv1 alert internal error"), AUTO, "problem", "no certificate"),
        (
            Served("shop.example.com", None, "internal error", "urn:ietf:params:acme:error:caa"),
            AUTO,
            "problem",
            "the authority gives no certificate: urn:ietf:params:acme:error:caa",
        ),
        (Served("shop.example.com", None, "connection reset"), INTERNAL, "warning", "no certificate"),
        (
            Served("shop.example.com", GOOD, distrust="self-signed certificate"),
            AUTO,
            "warning",
            "does not trust it: self-signed",
        ),
        (
            Served("shop.example.com", GOOD, distrust="self-signed certificate"),
            INTERNAL,
            "ok",
            "the proxy's own authority",
        ),
    ],
)
def test_what_is_served(served: Served, proxy: Proxy, level: str, words: str) -> None:
    """Issuer, time, names and trust, against what ftl.yaml asks for."""
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
def test_who_certifies_is_what_the_proxy_is_told(proxy: Proxy, host: str, expected: bool) -> None:
    """A private authority certifies names of any kind."""
    assert certificates.is_by_acme(proxy, host) is expected
