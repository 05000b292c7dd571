"""Parsing of certificates that OpenSSL created."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.proxy.tls import x509

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A certificate, PEM."""
    folder: Path = tmp_path_factory.mktemp("x509")
    names = "subjectAltName=DNS:shop.example.com,DNS:*.shop.example.com,IP:203.0.113.5"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subject = ("-days", "30", "-subj", "/O=Shop Ltd/CN=shop", "-addext", names)
    argv = ("openssl", "req", "-x509", *curve, *subject, "-keyout", folder / "key", "-out", folder / "pem")
    subprocess.run(argv, check=True, capture_output=True)
    return (folder / "pem").read_text()


def test_a_certificate_is_read(shop: str) -> None:
    """Issuer, names and validity of the first certificate, with other text before and after it."""
    certificate = x509.read_pem(
        f"# comment\n{shop}-----BEGIN CERTIFICATE-----\nits chain\n-----END CERTIFICATE-----\n"
    )
    assert certificate.issuer == "Shop Ltd shop"
    assert certificate.names == ("shop.example.com", "*.shop.example.com", "203.0.113.5")
    assert certificate.not_after - certificate.not_before == timedelta(days=30)
    assert abs(certificate.not_before - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "-----BEGIN X-----"]
)
def test_a_file_without_a_certificate(text: str) -> None:
    """It is an error."""
    with pytest.raises(ValueError, match="no certificate"):
        x509.read_pem(text)


@given(st.data())
def test_a_damaged_certificate_is_refused(shop: str, data: st.DataObject) -> None:
    """Any bytes are either a certificate or a ValueError."""
    der = ssl.PEM_cert_to_DER_cert(shop)
    at = data.draw(st.integers(0, len(der)))
    damaged = der[:at] + data.draw(st.binary(max_size=4)) + der[at + data.draw(st.integers(0, 4)) :]
    with contextlib.suppress(ValueError):
        x509.read(damaged)


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("SHOP.example.com", True),
        ("www.shop.example.com", True),
        ("a.b.shop.example.com", False),
        ("example.com", False),
    ],
)
def test_hosts_that_a_certificate_covers(host: str, covered: bool) -> None:
    """A star matches one label, and case does not matter."""
    now = datetime.now(UTC)
    assert (
        x509.X509Certificate("x", ("shop.example.com", "*.shop.example.com"), now, now).covers(host)
        is covered
    )
