"""firewall.conf: the ports that are open, and those left to other rules."""

from __future__ import annotations

from ftl.server.setup.plan.firewall import allowed, firewall_conf, left_alone, peers
from ftl.server.setup.ports import SWARM, WEB

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


def test_the_ports_of_a_cluster_are_open_to_its_servers_alone() -> None:
    """With other servers the ports are not left to other rules; without them they stay as they were."""
    others = [("10.0.0.2", "shop"), ("fd00::2", "blog")]
    conf = firewall_conf(None, WEB, left=[SSH, *SWARM], owner="own", peers=others)
    assert left_alone(conf) == (SSH,)
    assert peers(conf) == tuple(others)
    assert left_alone(firewall_conf(None, WEB, left=[SSH, *SWARM], owner="own")) == (SSH, *SWARM)
