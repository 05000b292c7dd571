"""Validation of a user-supplied certificate before it is uploaded."""

from __future__ import annotations

import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

from ftl.proxy.project_site import UserCertificate
from ftl.proxy.tls.user_certificate import InvalidCertificate, check_certificate

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = ("shop.example.com", "www.example.com")


class TestAuthority:
    """Creates keys and certificates with openssl."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key(self, name: str, *options: str) -> bytes:
        """A private key, PEM."""
        self._openssl(
            "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", *options, "-out", name
        )
        return (self._folder / name).read_bytes()

    def short_key(self, name: str) -> bytes:
        """A key of a size that clients no longer accept."""
        self._openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", name)
        return (self._folder / name).read_bytes()

    def certificate(self, key: str, *names: str, days: str = "2") -> bytes:
        """A self-signed certificate of a key, for these names."""
        (self._folder / "names").write_text(f"subjectAltName={','.join(f'DNS:{name}' for name in names)}\n")
        self._openssl("req", "-new", "-key", key, "-subj", "/CN=x", "-out", "csr")
        signed = ("-signkey", key, "-days", days, "-extfile", "names", "-out", "crt")
        self._openssl("x509", "-req", "-in", "csr", *signed)
        return (self._folder / "crt").read_bytes()

    def _openssl(self, *argv: str) -> None:
        subprocess.run(("openssl", *argv), cwd=self._folder, check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    """An authority with a key called "key"."""
    authority = TestAuthority(tmp_path)
    authority.key("key")
    return authority


def test_a_certificate_for_all_hosts_is_valid(authority: TestAuthority, tmp_path: Path) -> None:
    """Hosts are covered by name or by wildcard; further certificates in the file are its chain."""
    key = (tmp_path / "key").read_bytes()
    check_certificate(UserCertificate(authority.certificate("key", *HOSTS), key), HOSTS)
    wildcard = authority.certificate("key", "*.example.com")
    check_certificate(
        UserCertificate(wildcard + authority.certificate("key", "other"), key), [*HOSTS, "*.example.com"]
    )


def test_a_host_that_is_not_covered_is_named(authority: TestAuthority, tmp_path: Path) -> None:
    """The message names the uncovered host, and the hint the names that are covered."""
    chain = authority.certificate("key", "shop.example.com")
    with pytest.raises(InvalidCertificate, match=r"it does not cover www\.example\.com") as caught:
        check_certificate(UserCertificate(chain, (tmp_path / "key").read_bytes()), HOSTS)
    assert caught.value.field == "certificate"
    assert "it covers shop.example.com" in caught.value.hint


def test_another_certificates_key_is_refused(authority: TestAuthority) -> None:
    """The error is reported for the key."""
    with pytest.raises(InvalidCertificate, match="it does not belong to the certificate") as caught:
        check_certificate(
            UserCertificate(authority.certificate("key", *HOSTS), authority.key("other")), HOSTS
        )
    assert caught.value.field == "key"


def test_a_key_with_a_password_is_refused(authority: TestAuthority, tmp_path: Path) -> None:
    """The password is not asked for here, and the proxy could not ask."""
    authority.key("locked", "-aes256", "-pass", "pass:x")
    chain = authority.certificate("key", *HOSTS)
    with pytest.raises(InvalidCertificate, match="protected by a password"):
        check_certificate(UserCertificate(chain, (tmp_path / "locked").read_bytes()), HOSTS)


def test_a_certificate_that_is_too_weak_is_refused(authority: TestAuthority) -> None:
    """The error is reported for the certificate: its key is valid, but too short."""
    short = authority.short_key("short")
    with pytest.raises(InvalidCertificate, match="it is too weak") as caught:
        check_certificate(UserCertificate(authority.certificate("short", *HOSTS), short), HOSTS)
    assert caught.value.field == "certificate"


def test_no_key_stays_behind(
    authority: TestAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporary files are removed, also those of a process that was killed."""
    folder = tmp_path / "tmp"
    (folder / "ftl-certificate-x").mkdir(parents=True)
    (folder / "ftl-certificate-x" / "key").write_text("secret")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    key = (tmp_path / "key").read_bytes()
    check_certificate(UserCertificate(authority.certificate("key", *HOSTS), key), HOSTS)
    assert list(folder.iterdir()) == []


def test_an_expired_certificate_is_refused(authority: TestAuthority, tmp_path: Path) -> None:
    """Clients would reject it."""
    key = (tmp_path / "key").read_bytes()
    with pytest.raises(InvalidCertificate, match="it has expired"):
        check_certificate(UserCertificate(authority.certificate("key", *HOSTS, days="-1"), key), HOSTS)


@pytest.mark.parametrize(
    ("chain", "key", "field"),
    [(b"", None, "certificate"), (b"\x30\x82", None, "certificate"), (None, b"", "key"), (None, b"x", "key")],
)
def test_files_that_are_not_pem_are_refused(
    chain: bytes | None, key: bytes | None, field: str, authority: TestAuthority, tmp_path: Path
) -> None:
    """The error is reported for the file that is wrong."""
    good = UserCertificate(authority.certificate("key", *HOSTS), (tmp_path / "key").read_bytes())
    certificate = UserCertificate(good.chain if chain is None else chain, good.key if key is None else key)
    with pytest.raises(InvalidCertificate) as caught:
        check_certificate(certificate, HOSTS)
    assert caught.value.field == field
