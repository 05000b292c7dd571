"""A certificate of the user's own is looked at before it is sent."""

from __future__ import annotations

import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

from ftl.proxy.site import UserCertificate
from ftl.proxy.tls.user_certificate import InvalidCertificate, check_certificate

if TYPE_CHECKING:
    from pathlib import Path

HOSTS = ("shop.example.com", "www.example.com")


class Office:
    """Makes certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key(self, name: str, *options: str) -> bytes:
        """A private key, PEM."""
        self._openssl(
            "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", *options, "-out", name
        )
        return (self._folder / name).read_bytes()

    def short_key(self, name: str) -> bytes:
        """One that nobody takes any more."""
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
def office(tmp_path: Path) -> Office:
    """One with a key."""
    made = Office(tmp_path)
    made.key("key")
    return made


def test_a_certificate_for_all_hosts_is_taken(office: Office, tmp_path: Path) -> None:
    """By name or by wildcard; what follows it in the file is its chain."""
    key = (tmp_path / "key").read_bytes()
    check_certificate(UserCertificate(office.certificate("key", *HOSTS), key), HOSTS)
    wildcard = office.certificate("key", "*.example.com")
    check_certificate(
        UserCertificate(wildcard + office.certificate("key", "other"), key), [*HOSTS, "*.example.com"]
    )


def test_a_host_that_is_not_covered_is_named(office: Office, tmp_path: Path) -> None:
    """With the names that it does cover."""
    chain = office.certificate("key", "shop.example.com")
    with pytest.raises(InvalidCertificate, match=r"it does not cover www\.example\.com") as caught:
        check_certificate(UserCertificate(chain, (tmp_path / "key").read_bytes()), HOSTS)
    assert caught.value.field == "certificate"
    assert "it is for shop.example.com" in caught.value.hint


def test_another_certificates_key_is_refused(office: Office) -> None:
    """The key is to blame, as the user will see."""
    with pytest.raises(InvalidCertificate, match="it is not the certificate's") as caught:
        check_certificate(UserCertificate(office.certificate("key", *HOSTS), office.key("other")), HOSTS)
    assert caught.value.field == "key"


def test_a_key_with_a_password_is_refused(office: Office, tmp_path: Path) -> None:
    """Nobody is asked for it here, and nobody could be there."""
    office.key("locked", "-aes256", "-pass", "pass:x")
    chain = office.certificate("key", *HOSTS)
    with pytest.raises(InvalidCertificate, match="protected by a password"):
        check_certificate(UserCertificate(chain, (tmp_path / "locked").read_bytes()), HOSTS)


def test_a_certificate_that_is_too_weak_is_refused(office: Office) -> None:
    """It is the certificate's fault: its key is one, but too short."""
    short = office.short_key("short")
    with pytest.raises(InvalidCertificate, match="it is too weak") as caught:
        check_certificate(UserCertificate(office.certificate("short", *HOSTS), short), HOSTS)
    assert caught.value.field == "certificate"


def test_no_key_stays_behind(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not ours, and not one that a process left which was killed."""
    folder = tmp_path / "tmp"
    (folder / "ftl-certificate-x").mkdir(parents=True)
    (folder / "ftl-certificate-x" / "key").write_text("secret")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    key = (tmp_path / "key").read_bytes()
    check_certificate(UserCertificate(office.certificate("key", *HOSTS), key), HOSTS)
    assert list(folder.iterdir()) == []


def test_an_expired_certificate_is_refused(office: Office, tmp_path: Path) -> None:
    """Visitors would turn away."""
    key = (tmp_path / "key").read_bytes()
    with pytest.raises(InvalidCertificate, match="it has expired"):
        check_certificate(UserCertificate(office.certificate("key", *HOSTS, days="-1"), key), HOSTS)


@pytest.mark.parametrize(
    ("chain", "key", "of"),
    [(b"", None, "certificate"), (b"\x30\x82", None, "certificate"), (None, b"", "key"), (None, b"x", "key")],
)
def test_what_is_no_pem_is_refused(
    chain: bytes | None, key: bytes | None, of: str, office: Office, tmp_path: Path
) -> None:
    """Files of other kinds: the one that is wrong is named."""
    good = UserCertificate(office.certificate("key", *HOSTS), (tmp_path / "key").read_bytes())
    given = UserCertificate(good.chain if chain is None else chain, good.key if key is None else key)
    with pytest.raises(InvalidCertificate) as caught:
        check_certificate(given, HOSTS)
    assert caught.value.field == of
