"""Encrypt and decrypt age files with pyrage, an optional dependency.

The only module that imports pyrage, and it does so on first use: the wheel has 3 MB, and most projects have no age
file. The format is that of age-encryption.org/v1; `age` and `rage` read what is written here, and the reverse.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ftl.dataclass import dataclass
from ftl.errors import FtlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

INSTALL = "uv tool install 'ftl-deploy[age]'"

_MAGIC = b"age-encryption.org/v1\n"
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_AGE_KEY = re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]+")
_SSH_TYPES = ("ssh-ed25519", "ssh-rsa")


class InvalidKey(Exception):
    """A text is not a key that age can use; the message continues a sentence about the key."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key.

    Attributes:
        name: The place that it was read from, for messages.
        public: The public key; None where it has to be read from the file beside the private one.
    """

    name: str
    key: object = field(repr=False)
    public: str | None = None


def read_identities(text: str, name: str) -> list[Identity]:
    """Read the private keys in a text: age identities, one a line, or one SSH key.

    Raises:
        InvalidKey: There is none, or one that age cannot use.
        UsageError: pyrage is not installed.
    """
    pyrage = _pyrage()
    try:
        if "PRIVATE KEY-----" in text:
            return [Identity(name, pyrage.ssh.Identity.from_buffer(text.encode()))]
        keys = [pyrage.x25519.Identity.from_str(key) for key in _AGE_KEY.findall(text)]
    except pyrage.IdentityError as error:
        raise InvalidKey(_reason(str(error))) from None
    if not keys:
        raise InvalidKey("has no private key of SSH or age")
    return [Identity(name, key, str(key.to_public())) for key in keys]


def _reason(words: str) -> str:
    """Fault of a private key, from pyrage's message (1.4.0), which does not quote it."""
    if "decrypted first" in words or "Encrypted" in words:
        return "has a passphrase"
    if "unsupported key" in words:
        return "is of a type that age does not support (only ed25519 and RSA)"
    return "is not a valid key"


def check_recipient(public: str) -> None:
    """Check that a public key can be encrypted for.

    Raises:
        InvalidKey: It cannot.
        UsageError: pyrage is not installed.
    """
    _recipient(public)


def encrypt(data: bytes, recipients: Sequence[str]) -> bytes:
    """Encrypt for public keys, as text, which git shows as such and no line ending damages.

    Raises:
        InvalidKey: One of the keys is not valid.
        UsageError: pyrage is not installed.
    """
    encrypted = _pyrage().encrypt(data, [_recipient(public) for public in recipients], armored=True)
    assert isinstance(encrypted, bytes)
    return encrypted


def decrypt(data: bytes, identities: Sequence[Identity]) -> bytes | None:
    """Decrypt with the first key that fits; None if none does.

    Raises:
        FtlError: The data is not a whole age file.
        UsageError: pyrage is not installed.
    """
    pyrage = _pyrage()
    try:
        decrypted = pyrage.decrypt(data, [identity.key for identity in identities])
    except pyrage.DecryptError as error:
        if str(error).startswith("No matching keys"):
            return None
        raise FtlError("it is damaged: not a complete age file", cause=str(error).splitlines()[0]) from None
    assert isinstance(decrypted, bytes)
    return decrypted


def recipient_types(data: bytes) -> tuple[str, ...]:
    """Types of the recipients of a file; empty if it is not an age file.

    A type is `X25519`, `ssh-ed25519`, `ssh-rsa`, `scrypt` (a passphrase) or that of a plugin. Stanzas that end in
    `-grease` are for nobody: rage writes them to keep readers tolerant (age-encryption.org/v1, "Recipient stanza").
    """
    if data.lstrip().startswith(_ARMOR):
        try:
            data = base64.b64decode(b"".join(data.split(b"-----")[2].split()))
        except (binascii.Error, IndexError):
            return ()
    if not data.startswith(_MAGIC):
        return ()
    header = data.partition(b"\n---")[0].decode("ascii", "replace")
    types = [line.split()[1] for line in header.splitlines() if re.match(r"-> \S", line)]
    return tuple(word for word in types if not word.endswith("-grease"))


def _recipient(public: str) -> object:
    pyrage = _pyrage()
    words = public.split()
    try:
        if words and words[0] in _SSH_TYPES:
            return pyrage.ssh.Recipient.from_str(public)
        if public.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(public)
    except pyrage.RecipientError:
        raise InvalidKey("is not a valid public key") from None
    raise InvalidKey("is not ssh-ed25519 ..., ssh-rsa ... or age1...")


def _pyrage() -> Any:
    """The module."""
    try:
        import pyrage
    except ImportError:
        message = "secrets in an age file need pyrage, which is not installed"
        raise UsageError(message, hint=f"install it: `{INSTALL}`") from None
    return pyrage
