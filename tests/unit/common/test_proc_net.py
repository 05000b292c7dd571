"""Listening sockets of /proc/net/tcp and tcp6."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.common.proc_net import ListeningSocket, parse_listeners, parse_local_address

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = (
    HEAD + "   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
    "   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1\n"
    "   2: 0200A8C0:1F40 0300A8C0:9C40 01 00000000:00000000 00:00000000 00000000     0        0 3 1\n"
)
TCP6 = (
    HEAD
    + "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4 1\n"
    "   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 5 1\n"
    "   2: 0000000000000000FFFF00000100007F:0052 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 6 1\n"
)


def test_listening_sockets_are_read_from_proc() -> None:
    """Only sockets in the state LISTEN count, with addresses of both families in ordinary spelling."""
    assert set(parse_listeners(TCP + TCP6)) == {
        ListeningSocket("::", 80),
        ListeningSocket("::1", 81),
        ListeningSocket("127.0.0.1", 82),
        ListeningSocket("127.0.0.1", 5432),
        ListeningSocket("0.0.0.0", 8000),
    }


def test_a_sockets_inode_is_read() -> None:
    """It links the socket to the processes that have it open."""
    assert [listener.inode for listener in parse_listeners(TCP)] == [1, 2]


@pytest.mark.parametrize("line", ["", "x", "0: zz:1F40 x 0A 0 0 0 0 0 1", "0: 00000000 x 0A 0 0 0 0 0 1"])
def test_lines_of_another_form_are_skipped(line: str) -> None:
    """The kernel's table may hold more than was asked for; nothing of it raises."""
    assert list(parse_listeners(line)) == []


@pytest.mark.parametrize(
    ("address", "loopback", "wildcard"),
    [
        ("127.0.0.53", True, False),
        ("::1", True, False),
        ("0.0.0.0", False, True),
        ("::", False, True),
        ("192.0.2.1", False, False),
    ],
)
def test_loopback_and_wildcard_addresses(address: str, loopback: bool, wildcard: bool) -> None:
    """All of 127.0.0.0/8 is out of reach from other network namespaces."""
    listener = ListeningSocket(address, 80)
    assert (listener.loopback, listener.wildcard) == (loopback, wildcard)


@given(st.text())
def test_a_local_address_is_read_or_refused(text: str) -> None:
    """Whatever the text, nothing but ValueError is raised."""
    with suppress(ValueError):
        parse_local_address(text)
