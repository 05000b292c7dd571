"""What the firewall lets through."""

from __future__ import annotations

import pytest

from ftl.server.setup import ports as setup_ports
from ftl.server.setup.plan import firewall

SSH = (22, "tcp")


def test_lines_that_somebody_added_to_the_firewall_stay() -> None:
    """What is open stays open, what is left to other rules stays so; ports are added once."""
    first = firewall.firewall_conf(None, setup_ports.WEB, left=[SSH], owner="own")
    more = first + b"allow 51820/udp\nleave 25/tcp\nallow nonsense\n"
    second = firewall.firewall_conf(more, setup_ports.WEB, left=[SSH, (2222, "tcp")], owner="own")
    assert firewall.allowed(second) == (*setup_ports.WEB, (51820, "udp"))
    assert firewall.untouched(second) == (SSH, (25, "tcp"), (2222, "tcp"))
    assert firewall.firewall_conf(second, setup_ports.WEB, left=[SSH], owner="own") == second


def test_a_port_that_is_opened_to_everybody_is_left_to_no_other_rule() -> None:
    """Who asks for `--allow 22` gets it."""
    rules = firewall.firewall_conf(None, [*setup_ports.WEB, SSH], left=[SSH], owner="own")
    assert SSH in firewall.allowed(rules)
    assert firewall.untouched(rules) == ()


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ((), ""),
        (((22, "tcp"), *setup_ports.WEB), "22, 80, 443 (tcp), 443 (udp)"),
        (tuple((port, "udp") for port in (53, *range(10000, 10201))), "53, 10000-10200 (udp)"),
        (((80, "tcp"), (81, "tcp")), "80, 81 (tcp)"),
    ],
)
def test_ports_for_people(ports: tuple[setup_ports.Port, ...], expected: str) -> None:
    """Those in a row are a range."""
    assert setup_ports.format_ports(ports) == expected
