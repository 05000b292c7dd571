"""What doctor makes of the ports that answer from outside."""

from __future__ import annotations

from tests.unit.server.doctor.world import DATABASE, FORWARDED, INNER, PROXY

from ftl.server.doctor import reach
from ftl.server.doctor.reach import Knock
from ftl.server.doctor.survey import Listener


def test_which_ports_are_worth_a_try() -> None:
    """What is bound to loopback or to an inner address cannot be reached, and is not tried."""
    listeners = [
        Listener("127.0.0.1", 1),
        Listener("::1", 2),
        Listener("172.17.0.1", 3),
        Listener("::", 22),
        Listener("203.0.113.5", 25),
    ]
    assert reach.candidates(listeners, [DATABASE, INNER], "203.0.113.5") == [22, 25, 15432]


def test_what_answers_and_should_not() -> None:
    """Each open port that nobody asked for is a warning that names who publishes it; forwards are meant."""
    ports = (22, 80, 443, 2525, 5432, 9000, 15432)
    found = reach.judge(
        [Knock(port, "open") for port in ports], (PROXY, DATABASE, FORWARDED), ssh=22, forwards={9000}
    )
    assert [(one.name, one.level) for one in found] == [("port 5432", "warning"), ("port 15432", "warning")]
    assert "PostgreSQL" in found[0].what
    assert "ufw deny 5432/tcp" in (found[0].fix or "")
    assert "the container db (db:1)" in found[1].what
    assert "-p 127.0.0.1:15432:5432" in (found[1].fix or "")


def test_what_should_answer_and_does_not() -> None:
    """The proxy's ports that a firewall hides are a warning; nothing is said of them where there is no proxy."""
    knocks = [Knock(22, "open"), Knock(80, "silent"), Knock(443, "open")]
    found = reach.judge(knocks, (PROXY,), ssh=22, forwards=())
    assert [(one.name, one.level) for one in found] == [
        ("from outside", "ok"),
        ("port 80 outside", "warning"),
    ]
    assert [one.level for one in reach.judge(knocks, (), ssh=22, forwards=())] == ["ok"]
