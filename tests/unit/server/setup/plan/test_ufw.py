"""ufw's rules about ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.server.setup.plan import ufw

if TYPE_CHECKING:
    from ftl.server.setup.ports import ServerPort

UFW = """\
Added user rules (see 'ufw status' for running firewall):
ufw limit OpenSSH
ufw allow 80,443/tcp
ufw allow from 10.0.8.0/24 to any port 5432 proto tcp
ufw allow from 192.0.2.53 to any port 53
ufw deny 8443
ufw allow from 203.0.113.5
ufw allow in on tailscale0
ufw allow out 587/tcp
ufw reject out on eth0 to any port 25 proto tcp
ufw route allow in on eth0 out on eth1 to 10.0.0.5 port 3306 proto tcp
ufw allow 9000/tcp comment 'was 9001, then 9002/tcp'
ufw allow from any port 6881 to 10.0.0.9
ufw allow in 9100:9105,9200/udp
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
        ((587, "tcp"), True),
        ((25, "tcp"), True),
        ((3306, "tcp"), True),
        ((9000, "tcp"), False),
        ((9001, "tcp"), True),
        ((9002, "tcp"), True),
        ((6881, "tcp"), True),
    ],
)
def test_a_port_that_a_rule_mentions_is_not_missing(port: ServerPort, is_missing: bool) -> None:
    """Whatever the rule says, for a restriction is a decision; but it has to be about incoming traffic to that port."""
    assert bool(ufw.missing(UFW, [port])) is is_missing


@pytest.mark.parametrize(
    ("port", "is_open"),
    [
        ((80, "tcp"), True),
        ((443, "tcp"), True),
        ((443, "udp"), False),
        ((5432, "tcp"), False),
        ((8443, "tcp"), False),
        ((9000, "tcp"), True),
        ((587, "tcp"), False),
        ((9103, "udp"), True),
        ((9103, "tcp"), False),
        ((9200, "udp"), True),
        ((9106, "udp"), False),
        ((3306, "tcp"), False),
    ],
)
def test_ports_open_to_everybody(port: ServerPort, is_open: bool) -> None:
    """A port that is open to some only does not stay open for containers, which ufw does not restrict."""
    assert ufw.opened(UFW, [port]) == ((port,) if is_open else ())
