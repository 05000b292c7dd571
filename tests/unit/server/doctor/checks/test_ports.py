"""What doctor makes of the ports that answer from outside."""

from __future__ import annotations

from ftl.server.doctor.checks import ports
from ftl.server.doctor.checks.ports import PortResult
from ftl.server.doctor.facts import ListeningPort
from tests.unit.server.doctor.world import DATABASE, FORWARDED, INNER, PROXY


def test_which_ports_are_worth_a_try() -> None:
    """What is bound to loopback or to an inner address cannot be reached, and is not tried."""
    listeners = [
        ListeningPort("127.0.0.1", 1),
        ListeningPort("::1", 2),
        ListeningPort("172.17.0.1", 3),
        ListeningPort("::", 22),
        ListeningPort("203.0.113.5", 25),
    ]
    assert ports.candidates(listeners, [DATABASE, INNER], ["203.0.113.5"]) == [22, 25, 15432]


def test_what_answers_and_should_not() -> None:
    """Each open port that nobody asked for is a warning that names who publishes it; forwards are meant."""
    opened = (22, 80, 443, 2525, 5432, 9000, 15432)
    found = ports.judge(
        [PortResult(port, "open") for port in opened], (PROXY, DATABASE, FORWARDED), ssh=22, meant={9000}
    )
    assert [(one.name, one.level) for one in found] == [("port 5432", "warning"), ("port 15432", "warning")]
    assert "PostgreSQL" in found[0].what
    assert "`ftl setup --allow 5432`" in (found[0].fix or "")
    assert "the container db (db:1)" in found[1].what
    assert "-p 127.0.0.1:15432:5432" in (found[1].fix or "")


def test_what_should_answer_and_does_not() -> None:
    """The proxy's ports that a firewall hides are a warning; nothing is said of them where there is no proxy."""
    knocks = [PortResult(22, "open"), PortResult(80, "silent"), PortResult(443, "open")]
    found = ports.judge(knocks, (PROXY,), ssh=22, meant=())
    assert [(one.name, one.level) for one in found] == [
        ("from outside", "ok"),
        ("port 80 outside", "warning"),
    ]
    unanswered = ports.judge([PortResult(80, "silent")], (PROXY,), ssh=22, meant=())
    assert [one.name for one in unanswered] == ["from outside", "port 80 outside"]
    assert [one.level for one in ports.judge(knocks, (), ssh=22, meant=())] == ["ok"]


V4, V6 = "203.0.113.5", "2001:db8::5"


def test_a_server_with_both_kinds_of_addresses_is_tried_at_one_of_each() -> None:
    """In the order in which its name leads to them."""
    assert ports.by_family([V6, "2001:db8::6", V4, "203.0.113.6"]) == (V6, V4)
    assert ports.by_family([V4]) == (V4,)


def test_what_is_open_over_one_kind_of_address_alone() -> None:
    """It is open; and a port of the web that is closed over the one is named, unless nothing answers there at all."""
    over_v6 = [
        PortResult(5432, "silent", V4),
        PortResult(5432, "open", V6),
        PortResult(80, "open", V4),
        PortResult(80, "silent", V6),
    ]
    found = ports.judge([PortResult(22, "open", V4), *over_v6], (PROXY,), ssh=22, meant=())
    assert [one.name for one in found] == ["port 5432", "port 80 outside"]
    assert f"from outside at {V6}" in found[0].what
    assert f"cannot reach it at {V6}" in found[1].what
    no_way = [PortResult(port, "open", V4) for port in (22, 80)] + [
        PortResult(port, "closed", V6) for port in (22, 80)
    ]
    assert [one.name for one in ports.judge(no_way, (PROXY,), ssh=22, meant=())] == ["from outside"]
