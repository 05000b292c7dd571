"""What engines report about Swarm mode."""

from __future__ import annotations

import json

from ftl.engine.calls.swarm import SwarmState, parse_state

MANAGER = {
    "NodeID": "2xq6x1e604wtcpnukxjs6go1t",
    "NodeAddr": "172.24.0.2",
    "LocalNodeState": "active",
    "ControlAvailable": True,
    "Error": "",
    "Cluster": {
        "ID": "ad2i",
        "Spec": {"Labels": {"ftl.cluster": "true"}},
        "DefaultAddrPool": ["10.200.0.0/16"],
    },
}
LEADERLESS = "rpc error: code = Unknown desc = The swarm does not have a leader."


def test_a_manager_knows_its_cluster() -> None:
    """A manager of a Swarm with a leader can change it, and sees whose it is (20.10)."""
    state = parse_state(json.dumps(MANAGER))
    assert (state.is_member, state.has_leader, state.labels) == (True, True, {"ftl.cluster": "true"})


def test_a_manager_without_a_leader_is_still_one() -> None:
    """Without a majority it can change nothing, and its Swarm is not shown."""
    state = parse_state(json.dumps({**MANAGER, "Cluster": None, "Error": LEADERLESS}))
    assert (state.is_manager, state.has_leader, state.labels) == (True, False, {})


def test_a_worker_knows_where_its_managers_are() -> None:
    """Their addresses, without the port."""
    known = [{"NodeID": "a", "Addr": "10.0.0.1:2377"}, {"NodeID": "b", "Addr": "[fd00::2]:2377"}]
    state = parse_state(json.dumps({"LocalNodeState": "active", "NodeID": "c", "RemoteManagers": known}))
    assert (state.is_manager, state.managers) == (False, ("10.0.0.1", "fd00::2"))


def test_an_engine_outside() -> None:
    """An engine without Swarm mode, and an answer that is none, are no members."""
    assert parse_state('{"NodeID": "", "LocalNodeState": "inactive", "RemoteManagers": null}') == SwarmState()
    assert not parse_state("<no value>").is_member
