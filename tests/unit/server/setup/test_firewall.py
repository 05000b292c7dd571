"""What the firewall lets through, and what ufw says already."""

from __future__ import annotations

import pytest

from ftl.server.setup import firewall


def test_lines_that_somebody_added_to_the_firewall_stay() -> None:
    """What is open stays open; ports are added once."""
    first = firewall.wanted(None, [(22, "tcp"), *firewall.WEB], owner="own")
    more = first + b"allow 51820/udp\nallow nonsense\n"
    second = firewall.wanted(more, [(22, "tcp"), (2222, "tcp"), *firewall.WEB], owner="own")
    assert firewall.allowed(second) == (*firewall.allowed(first), (51820, "udp"), (2222, "tcp"))
    assert firewall.wanted(second, [(22, "tcp")], owner="own") == second


UFW = """\
Added user rules (see 'ufw status' for running firewall):
ufw limit OpenSSH
ufw allow 80,443/tcp
ufw allow from 10.0.8.0/24 to any port 5432 proto tcp
ufw allow from 192.0.2.53 to any port 53
ufw deny 8443
""".splitlines()


@pytest.mark.parametrize(
    ("port", "is_missing"),
    [
        ((22, "tcp"), False),
        ((2222, "tcp"), True),
        ((80, "tcp"), False),
        ((443, "tcp"), False),
        ((443, "udp"), True),
        ((5432, "tcp"), False),
        ((5432, "udp"), True),
        ((53, "udp"), False),
        ((8443, "tcp"), False),
        ((24, "tcp"), True),
        ((192, "tcp"), True),
    ],
)
def test_a_port_that_ufw_has_a_rule_about_is_left_to_it(port: firewall.Port, is_missing: bool) -> None:
    """Whatever the rule says: who restricted a port meant it."""
    assert bool(firewall.missing_in_ufw(UFW, [port])) is is_missing
