"""Ports as text."""

from __future__ import annotations

import pytest

from ftl.server.setup.ports import WEB, ServerPort, format_ports


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ((), ""),
        (((22, "tcp"), *WEB), "22, 80, 443 (tcp), 443 (udp)"),
        (tuple((number, "udp") for number in (53, *range(10000, 10201))), "53, 10000-10200 (udp)"),
        (((80, "tcp"), (81, "tcp")), "80, 81 (tcp)"),
    ],
)
def test_ports_are_grouped_by_protocol(ports: tuple[ServerPort, ...], expected: str) -> None:
    """Three or more consecutive ports are shown as a range."""
    assert format_ports(ports) == expected
