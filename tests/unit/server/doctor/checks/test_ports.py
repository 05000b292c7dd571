"""Checks of the server's ports from outside."""

from __future__ import annotations

from ftl.common.proc_net import ListeningSocket
from ftl.server.doctor.checks import ports
from ftl.server.doctor.checks.ports import PortResult
from tests.unit.server.doctor.world import DATABASE, FORWARDED, INNER, PROXY


def test_the_ports_to_try() -> None:
    """Those bound to loopback or to a private address cannot be reached, and are not tried."""
    listeners = [
        ListeningSocket("127.0.0.1", 1),
        ListeningSocket("::1", 2),
        ListeningSocket("172.17.0.1", 3),
        ListeningSocket("::", 22),
        ListeningSocket("203.0.113.5", 25),
    ]
    assert ports.ports_to_try(listeners, [DATABASE, INNER], ["203.0.113.5"]) == [22, 25, 15432]


def test_unexpected_open_ports() -> None:
    """Each is a warning that names the container or program; forwards are expected."""
    opened = (22, 80, 443, 2525, 5432, 9000, 15432)
    found = ports.judge(
        [PortResult(port, "open") for port in opened], (PROXY, DATABASE, FORWARDED), ssh=22, expected={9000}
    )
    assert [(one.name, one.level) for one in found] == [("port 5432", "warning"), ("port 15432", "warning")]
    assert "PostgreSQL" in found[0].what
    assert "`ftl setup --allow 5432`" in (found[0].fix or "")
    assert "the container db (db:1)" in found[1].what
    assert "-p 127.0.0.1:15432:5432" in (found[1].fix or "")


def test_blocked_ports_of_the_proxy() -> None:
    """They are a warning, but not where there is no proxy."""
    results = [PortResult(22, "open"), PortResult(80, "silent"), PortResult(443, "open")]
    found = ports.judge(results, (PROXY,), ssh=22, expected=())
    assert [(one.name, one.level) for one in found] == [
        ("from outside", "ok"),
        ("port 80 outside", "warning"),
    ]
    unanswered = ports.judge([PortResult(80, "silent")], (PROXY,), ssh=22, expected=())
    assert [one.name for one in unanswered] == ["from outside", "port 80 outside"]
    assert [one.level for one in ports.judge(results, (), ssh=22, expected=())] == ["ok"]


V4, V6 = "203.0.113.5", "2001:db8::5"


def test_one_address_of_each_family_is_tried() -> None:
    """In the order in which its name resolves to them."""
    assert ports.by_family([V6, "2001:db8::6", V4, "203.0.113.6"]) == (V6, V4)
    assert ports.by_family([V4]) == (V4,)


def test_ports_that_are_open_for_one_family_only() -> None:
    """They count as open; a web port that is closed for a family is blocked, unless no port answers there."""
    over_v6 = [
        PortResult(5432, "silent", V4),
        PortResult(5432, "open", V6),
        PortResult(80, "open", V4),
        PortResult(80, "silent", V6),
    ]
    found = ports.judge([PortResult(22, "open", V4), *over_v6], (PROXY,), ssh=22, expected=())
    assert [one.name for one in found] == ["port 5432", "port 80 outside"]
    assert f"from outside at {V6}" in found[0].what
    assert f"cannot reach it at {V6}" in found[1].what
    no_route = [PortResult(port, "open", V4) for port in (22, 80)] + [
        PortResult(port, "closed", V6) for port in (22, 80)
    ]
    assert [one.name for one in ports.judge(no_route, (PROXY,), ssh=22, expected=())] == ["from outside"]
