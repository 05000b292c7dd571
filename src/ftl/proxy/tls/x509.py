"""Parser for the fields of X.509 certificates that matter to browsers.

These are issuer, names and validity. It reads as much DER (ITU-T X.690) as leads to them (RFC 5280, 4.1). Python's ssl
module shows them only for a certificate that it trusts, and those that it does not trust are the ones worth a look.
"""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

_UTC_TIME = 0x17
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87

_COMMON_NAME = bytes.fromhex("550403")  # 2.5.4.3
_ORGANIZATION = bytes.fromhex("55040a")  # 2.5.4.10
_ALTERNATIVE_NAMES = bytes.fromhex("551d11")  # 2.5.29.17

_PEM_BEGIN = "-----BEGIN CERTIFICATE-----"
_PEM_END = "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class X509Certificate:
    """Fields of a certificate.

    `issuer` is "Let's Encrypt R11", organisation and common name; `names` are host names (perhaps `*.`) and addresses.
    """

    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    def covers(self, host: str) -> bool:
        """Whether it is valid for a host; `*.` matches one label (RFC 6125, 6.4.3)."""
        parent = host.partition(".")[2]
        matching = {host.lower(), f"*.{parent}".lower()} if parent else {host.lower()}
        return any(name.lower() in matching for name in self.names)


def first_pem(text: str) -> str:
    """The first certificate of a PEM file: the server's, where its chain follows.

    Raises:
        ValueError: There is none.
    """
    begin = text.find(_PEM_BEGIN)
    end = text.find(_PEM_END, begin)
    if begin < 0 or end < 0:
        raise ValueError("it contains no certificate")
    return text[begin : end + len(_PEM_END)]


def read_pem(text: str) -> X509Certificate:
    """Parse the first certificate of a PEM file.

    Raises:
        ValueError: There is none, or it is damaged.
    """
    return read(ssl.PEM_cert_to_DER_cert(first_pem(text)))


def read(der: bytes) -> X509Certificate:
    """Parse a certificate in DER.

    Raises:
        ValueError: It is not a certificate.
    """
    try:
        return _read(der)
    except (IndexError, StopIteration, RuntimeError, UnicodeDecodeError) as error:
        raise ValueError("it is not a certificate") from error


def _read(der: bytes) -> X509Certificate:
    whole = next(_items(der))[1]
    body = [item for item in _items(next(_items(whole))[1]) if item[0] != _VERSION]
    _serial, _algorithm, issuer, validity, _subject, *rest = body
    begin, end = (_time(tag, content) for tag, content in _items(validity[1]))
    return X509Certificate(_name(issuer[1]), tuple(_alternative_names(rest)), begin, end)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of consecutive DER values."""
    at = 0
    while at < len(data):
        tag, length, start = data[at], data[at + 1], at + 2
        if length & 0x80:  # the long form: the number of bytes that hold the length
            size = length & 0x7F
            start, length = start + size, int.from_bytes(data[start : start + size], "big")
        if start + length > len(data):
            raise ValueError("it is truncated")
        yield tag, data[start : start + length]
        at = start + length


def _name(data: bytes) -> str:
    """Short text for a distinguished name."""
    parts: dict[bytes, str] = {}
    for _, relative in _items(data):
        for _, pair in _items(relative):
            (_, kind), (_, value) = _items(pair)
            parts.setdefault(kind, value.decode("utf-8", "replace"))
    names = [parts[kind] for kind in (_ORGANIZATION, _COMMON_NAME) if kind in parts]
    return " ".join(dict.fromkeys(names)) or "an unnamed issuer"


def _time(tag: int, content: bytes) -> datetime:
    """A time in UTC; two-digit years are 1950 to 2049 (RFC 5280, 4.1.2.5.1)."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _alternative_names(rest: list[tuple[int, bytes]]) -> Iterator[str]:
    for tag, wrapped in rest:
        if tag != _EXTENSIONS:
            continue
        for _, extension in _items(next(_items(wrapped))[1]):
            parts = list(_items(extension))
            if parts[0][1] == _ALTERNATIVE_NAMES:
                yield from _general_names(next(_items(parts[-1][1]))[1])


def _general_names(data: bytes) -> Iterator[str]:
    for tag, content in _items(data):
        if tag == _DNS_NAME:
            yield content.decode("ascii")
        elif tag == _IP_ADDRESS:
            yield str(ipaddress.ip_address(content))
