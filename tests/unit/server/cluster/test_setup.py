"""Plans of the servers of a cluster: a server is let through until it has left; recovery."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.models.server import ClusterServer
from ftl.engine.calls.swarm import SwarmState
from ftl.events import Note
from ftl.server.cluster import setup
from ftl.server.cluster.candidates import CandidateServer, PreparedServer, plans_of
from ftl.server.setup.observe.login import RootLogin
from ftl.server.setup.observe.state import InstalledFirewall, ObservedServer
from ftl.server.setup.plan.firewall import firewall_conf, peers
from ftl.server.setup.plan.guarded import ApplyFirewall, CloseToPeersInUfw
from ftl.server.setup.plan.planner import SetupPlan
from ftl.server.setup.ports import SWARM, WEB
from ftl.server.setup.request import SetupRequest
from ftl.ssh.target import UNRESOLVED, Target
from tests.support.clock import run
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import project
from tests.unit.server.setup.world import KEY, READY

if TYPE_CHECKING:
    from ftl.events import Event

REQUEST = SetupRequest(keys=(KEY,), cluster="shop", peers=("10.0.0.2",))


def observed(*addresses: tuple[str, str]) -> ObservedServer:
    """A server that is ready, whose firewall lets other servers through: their addresses and projects."""
    conf = firewall_conf(None, [(22, "tcp"), *WEB], owner="own", peers=addresses)
    current = READY.firewall
    return replace(
        READY, firewall=InstalledFirewall(conf, current.script, current.unit, enabled=True, in_force=True)
    )


def let_through(plan: SetupPlan | None) -> list[set[str]]:
    """The addresses that each firewall of a plan lets through."""
    steps = plan.steps if plan is not None else ()
    return [{address for address, _ in peers(step.conf)} for step in steps if isinstance(step, ApplyFirewall)]


def test_a_server_that_is_no_longer_in_the_file_is_shut_out_at_the_end() -> None:
    """Until it has left, the requests that it works on need its packets: the first plan leaves the firewall."""
    first, closing = plans_of("a", REQUEST, observed(("10.0.0.2", "shop"), ("10.0.0.3", "shop")))
    assert let_through(first) == []
    assert let_through(closing) == [{"10.0.0.2"}]
    assert closing is not None
    assert [type(step) for step in closing.steps] == [ApplyFirewall]


def test_a_server_that_is_no_longer_in_the_file_is_shut_out_of_ufw_at_the_end() -> None:
    """As by FTL's own firewall: not before it has left."""
    rules = [
        f"ufw allow from 10.0.0.{peer} to any port {port} proto {kind}"
        for peer in (2, 3)
        for port, kind in SWARM
    ]
    server = observed(("10.0.0.2", "shop"), ("10.0.0.3", "shop"))
    first, closing = plans_of("a", REQUEST, replace(server, ufw_rules=tuple(rules)))
    assert closing is not None
    assert CloseToPeersInUfw(("10.0.0.3",)) in closing.steps
    assert not any(isinstance(step, CloseToPeersInUfw) for step in first.steps)


def test_a_new_server_is_let_through_at_once() -> None:
    """Nothing is closed at the end."""
    first, closing = plans_of("a", REQUEST, observed())
    assert let_through(first) == [{"10.0.0.2"}]
    assert closing is None


def test_servers_of_another_project_stay_let_through() -> None:
    """They are none of this one's."""
    first, closing = plans_of("a", REQUEST, observed(("10.0.0.2", "shop"), ("10.0.0.9", "blog")))
    assert (let_through(first), closing) == ([], None)


def test_a_dry_run_of_a_recovery_shows_its_step() -> None:
    """What joins again depends on what the manager knows when it has begun: a note says so."""
    lost = SwarmState(state="active", node="node-b", is_manager=True, error="no leader")
    cluster = replace(READY.cluster, swarm=lost, stored_node="node-b")
    prepared = PreparedServer(ClusterServer(host="b"), Target("b"), UNRESOLVED, "deploy", "10.0.0.2", ())
    login = RootLogin(FakeMachine(), "root", "", replace(READY, cluster=cluster), deployer_logged_in=True)
    candidate = CandidateServer(prepared, login, SetupPlan("b", "Debian", "deploy", ()), None)
    events: list[Event] = []
    (step,) = run(setup._dry(project(), [candidate], recover=True, emit=events.append))
    assert (step.kind, step.server) == ("recover_cluster", "b")
    assert [type(event) for event in events] == [Note]
