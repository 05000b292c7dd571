"""A setup plan's firewall: which ports stay open, and what is noted about the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.engine import labels
from ftl.engine.calls.swarm import SwarmState
from ftl.server.setup.observe.state import ClusterFacts, RunningEngine
from ftl.server.setup.plan import firewall, guarded
from ftl.server.setup.plan.planner import make_plan
from ftl.server.setup.ports import SWARM, WEB
from tests.unit.server.setup.world import BARE, READY

from .plans import REQUEST, kinds, only_step


def test_a_swarm_s_ports_are_left_to_other_rules() -> None:
    """FTL's firewall leaves them alone; ufw gets no rule, and the plan a note."""
    swarm = replace(READY, engine=RunningEngine(live_restore=False, swarm=True, containers=1))
    applied = only_step(swarm, guarded.ApplyFirewall)
    assert isinstance(applied, guarded.ApplyFirewall)
    assert {(2377, "tcp"), (4789, "udp")} <= set(firewall.left_alone(applied.conf))
    plan = make_plan(REQUEST, replace(swarm, ufw_rules=("ufw allow 2377/tcp",)), server="shop")
    (allows,) = (step for step in plan.steps if isinstance(step, guarded.AllowInUfw))
    assert set(allows.ports) == set(WEB)
    (applied,) = (step for step in plan.steps if isinstance(step, guarded.ApplyFirewall))
    assert applied.text == "close the ports that containers publish, except 22, 80, 443 (tcp), 443 (udp)"
    assert any("the swarm's 7946 (tcp), 7946, 4789 (udp)" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("cluster", "facts"),
    [
        ("shop", ClusterFacts()),
        ("", ClusterFacts(swarm=SwarmState(state="active", node="n"), stored_node="n")),
        ("", ClusterFacts(swarm=SwarmState(state="active", node="n", labels={labels.CLUSTER: "1"}))),
    ],
)
def test_the_ports_of_ftl_s_own_swarm_are_closed_without_other_servers(
    cluster: str, facts: ClusterFacts
) -> None:
    """They were open to the others alone; once these have left, they are open to nobody."""
    engine = RunningEngine(live_restore=False, swarm=True, containers=1)
    conf = firewall.firewall_conf(None, WEB, left=((22, "tcp"), *SWARM), owner="own")
    seen = replace(READY, engine=engine, cluster=facts, firewall=replace(READY.firewall, conf=conf))
    (applied,) = (
        step
        for step in make_plan(replace(REQUEST, cluster=cluster), seen, server="shop").steps
        if isinstance(step, guarded.ApplyFirewall)
    )
    assert firewall.left_alone(applied.conf) == ((22, "tcp"),)
    assert set(firewall.allowed(applied.conf)) == set(WEB)


@pytest.mark.parametrize("ufw", [None, (), ("ufw allow from 203.0.113.5",), ("ufw allow in on tailscale0",)])
def test_ssh_is_not_opened_further(ufw: tuple[str, ...] | None) -> None:
    """Neither FTL's firewall nor ufw opens its ports, which may be restricted; `--allow` does it on request."""
    server = replace(BARE, ufw_rules=ufw, sshd=replace(BARE.sshd, ports=(22, 2222)))
    plan = make_plan(REQUEST, server, server="shop")
    (applied,) = (step for step in plan.steps if isinstance(step, guarded.ApplyFirewall))
    assert firewall.left_alone(applied.conf) == ((22, "tcp"), (2222, "tcp"))
    assert firewall.allowed(applied.conf) == WEB
    assert {(22, "tcp"), (2222, "tcp")} <= set(applied.ports)
    opened = [step.ports for step in plan.steps if isinstance(step, guarded.AllowInUfw)]
    assert opened == ([] if ufw is None else [WEB])
    asked = only_step(server, guarded.ApplyFirewall, replace(REQUEST, allow=((2222, "tcp"),)))
    assert (2222, "tcp") in firewall.allowed(getattr(asked, "conf", None))


def test_no_firewall_means_no_firewall_steps() -> None:
    """Neither ufw nor FTL's own rules are changed, and firewalld is no error."""
    assert kinds(replace(BARE, ufw_rules=()), replace(REQUEST, firewall=False)).count("apply_firewall") == 0
    assert kinds(replace(READY, firewalld=True), replace(REQUEST, firewall=False)) == []


def test_programs_whose_ports_will_be_closed_are_noted() -> None:
    """But not ports that a project deployed by FTL publishes; VPNs stay open."""
    vpn = (51820, "udp")
    busy = replace(
        BARE,
        listening=frozenset({(22, "tcp"), (5432, "tcp"), (8025, "tcp"), (2525, "tcp"), vpn}),
        vpn_ports=frozenset({vpn}),
        ftl_ports=frozenset({(2525, "tcp")}),
    )
    plan = make_plan(replace(REQUEST, forwards=((8025, "tcp"),)), busy, server="shop")
    assert [note for note in plan.notes if "closed" in note] == [
        "programs listen on 5432 (tcp), which will be closed: `--allow PORT` keeps a port open"
    ]
    kept = make_plan(replace(REQUEST, allow=((5432, "tcp"),)), busy, server="shop")
    assert any("programs listen on 8025 (tcp)" in note for note in kept.notes)
    (applied,) = (step for step in plan.steps if isinstance(step, guarded.ApplyFirewall))
    assert firewall.left_alone(applied.conf) == ((22, "tcp"), vpn)
    assert "51820, 443 (udp)" in applied.text


@pytest.mark.parametrize("ufw", [None, ("ufw allow 8099", "ufw allow from 10.0.0.0/8 to any port 5432")])
def test_containers_whose_ports_will_be_closed_are_noted(ufw: tuple[str, ...] | None) -> None:
    """With ufw as well, which does not restrict them; a port that it opens to everybody stays open."""
    busy = replace(BARE, ufw_rules=ufw, foreign_ports=frozenset({(8099, "tcp"), (5432, "tcp"), (80, "tcp")}))
    plan = make_plan(REQUEST, busy, server="shop")
    (applied,) = (step for step in plan.steps if isinstance(step, guarded.ApplyFirewall))
    assert ((8099, "tcp") in firewall.allowed(applied.conf)) is bool(ufw)
    (note,) = plan.notes
    assert note.startswith(f"containers publish ports on {'5432' if ufw else '5432, 8099'} (tcp), which")
    assert make_plan(REQUEST, replace(READY, foreign_ports=busy.foreign_ports), server="shop").notes == ()


def test_other_servers_are_let_through_ufw_once() -> None:
    """Rules for each of the other servers are added, and not again; another project's servers stay."""
    request = replace(REQUEST, cluster="shop", peers=("10.0.0.2",))
    other = firewall.firewall_conf(READY.firewall.conf, WEB, owner="ufw", peers=[("10.0.0.9", "blog")])
    with_ufw = replace(READY, ufw_rules=(), firewall=replace(READY.firewall, conf=other))
    made = make_plan(request, with_ufw, server="shop").steps
    assert guarded.AllowPeersInUfw(("10.0.0.2",)) in made
    applied = next(step for step in made if isinstance(step, guarded.ApplyFirewall))
    assert firewall.peers(applied.conf) == (("10.0.0.2", "shop"), ("10.0.0.9", "blog"))
    rules = tuple(f"ufw allow from 10.0.0.2 to any port {port} proto {kind}" for port, kind in SWARM)
    made = make_plan(request, replace(with_ufw, ufw_rules=rules), server="shop").steps
    assert not any(isinstance(step, guarded.AllowPeersInUfw) for step in made)


def test_servers_that_have_left_are_shut_out_of_ufw() -> None:
    """Their rules go, but for those that another project's servers need, and for rules that FTL has not made."""
    request = replace(REQUEST, cluster="shop", peers=("10.0.0.2",))
    known = [("10.0.0.2", "shop"), ("10.0.0.3", "shop"), ("10.0.0.4", "shop"), ("10.0.0.4", "blog")]
    conf = firewall.firewall_conf(READY.firewall.conf, WEB, owner="ufw", peers=known)
    rules = [
        f"ufw allow from 10.0.0.{number} to any port {port} proto {kind}"
        for number in range(2, 6)
        for port, kind in SWARM
    ]
    with_ufw = replace(READY, ufw_rules=tuple(rules), firewall=replace(READY.firewall, conf=conf))
    made = make_plan(request, with_ufw, server="shop").steps
    assert [step for step in made if isinstance(step, guarded.CloseToPeersInUfw)] == [
        guarded.CloseToPeersInUfw(("10.0.0.3",))
    ]
    without = replace(with_ufw, ufw_rules=("ufw allow 22/tcp",))
    made = make_plan(request, without, server="shop").steps
    assert not any(isinstance(step, guarded.CloseToPeersInUfw) for step in made)
