"""The servers of a cluster, merged from what each of them shows."""

from __future__ import annotations

from dataclasses import replace

from ftl.config.models.server import ClusterServer
from ftl.deploy.observe.cluster import merged
from ftl.deploy.observe.state import Observed
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO

SERVERS = tuple(ClusterServer(host=host) for host in "abc")


def seen(*looks: Observed, managers: str = "abc") -> Observed:
    """What a plan gets of servers that show this."""
    infos = {
        look.server: replace(INFO, node=look.server, is_manager=look.server in managers) for look in looks
    }
    sessions = [Session(name, FakeMachine(), FakeEngine(name=name), info) for name, info in infos.items()]
    return merged("shop", SERVERS, Fleet(sessions), looks, (), frozenset())


def test_each_server_keeps_where_it_sends_messages() -> None:
    """The plan ends them on all but the first of the file."""
    found = seen(*(Observed(host, INFO, "shop", notify=host.encode()) for host in "abc"))
    assert {view.name: view.notify for view in found.views} == {"a": b"a", "b": b"b", "c": b"c"}
    assert found.notify == b""
