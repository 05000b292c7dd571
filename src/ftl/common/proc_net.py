"""Listening sockets in the text of Linux's /proc/net/tcp, tcp6, udp and udp6 (proc(5))."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTEN = "0A"
"""TCP_LISTEN (Linux, include/net/tcp_states.h)."""


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A socket that accepts connections or datagrams.

    Attributes:
        address: "0.0.0.0", "::", "127.0.0.1"; an IPv4 address mapped into IPv6 is written as IPv4.
        inode: By which a process's /proc/PID/fd names it: "socket:[12345]".
    """

    address: str
    port: int
    inode: int = field(default=0, compare=False)

    @property
    def loopback(self) -> bool:
        """Whether only its own network namespace can reach it."""
        return ipaddress.ip_address(self.address).is_loopback

    @property
    def wildcard(self) -> bool:
        """Whether it listens on all addresses."""
        return ipaddress.ip_address(self.address).is_unspecified


def parse_listeners(table: str) -> Iterator[ListeningSocket]:
    """Read one TCP table, or several one after the other; lines of another form are skipped."""
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 10 or fields[3] != LISTEN:
            continue
        with suppress(ValueError):
            yield parse_local_address(fields[1], inode=int(fields[9]))


def parse_local_address(text: str, *, inode: int = 0) -> ListeningSocket:
    """Read the second column of a table, "0100007F:1538".

    Addresses are hexadecimal words in the machine's byte order. Whatever FTL deploys to (amd64, arm64) is
    little-endian.

    Raises:
        ValueError: It has another form.
    """
    digits, _, port = text.partition(":")
    raw = bytes.fromhex(digits)
    packed = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return ListeningSocket(str(mapped or address), int(port, 16), inode)
