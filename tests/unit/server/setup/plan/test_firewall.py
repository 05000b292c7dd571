"""firewall.conf: the ports that are open, and those left to other rules."""

from __future__ import annotations

from ftl.server.setup.plan.firewall import allowed, firewall_conf, left_alone
from ftl.server.setup.ports import WEB

SSH = (22, "tcp")


def test_lines_that_a_user_added_are_kept() -> None:
    """Open ports stay open, ports left to other rules stay so, and none is listed twice."""
    first = firewall_conf(None, WEB, left=[SSH], owner="own")
    edited = first + b"allow 51820/udp\nleave 25/tcp\nallow nonsense\n"
    second = firewall_conf(edited, WEB, left=[SSH, (2222, "tcp")], owner="own")
    assert allowed(second) == (*WEB, (51820, "udp"))
    assert left_alone(second) == (SSH, (25, "tcp"), (2222, "tcp"))
    assert firewall_conf(second, WEB, left=[SSH], owner="own") == second


def test_a_port_that_is_open_to_everybody_is_not_left_to_other_rules() -> None:
    """`--allow 22` opens the port of SSH."""
    conf = firewall_conf(None, [*WEB, SSH], left=[SSH], owner="own")
    assert SSH in allowed(conf)
    assert left_alone(conf) == ()
