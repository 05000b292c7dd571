"""Servers that cannot be one cluster, and what their addresses decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.engine.calls.swarm import SwarmState
from ftl.errors import FtlError
from ftl.server.cluster.members import Member, is_private, mtu_of, pool_for, refuse_unfit
from ftl.server.setup.observe.state import ServerAddress

from .world import in_cluster, server, servers, with_facts

FOREIGN = SwarmState(state="active", node="theirs", is_manager=False)
MANAGER = SwarmState(state="active", node="theirs", is_manager=True, cluster="theirs")


def refused(members: list[Member]) -> FtlError:
    """The error for servers that cannot be one cluster."""
    with pytest.raises(FtlError) as caught:
        refuse_unfit(members)
    return caught.value


def test_servers_that_fit() -> None:
    """New servers, and those of FTL's cluster, are not refused."""
    refuse_unfit(servers(3))
    members, _ = in_cluster(servers(4), 3)
    refuse_unfit(members)


def test_one_machine_under_two_names() -> None:
    """Two names that lead to one engine are told by its ID."""
    twice = with_facts(server(1), engine_id="engine-0")
    error = refused([server(0), twice, server(2)])
    assert error.message.startswith("a and b are the same machine")


@pytest.mark.parametrize(("seconds", "way"), [(7200.0, "ahead of"), (-90.0, "behind")])
def test_a_wrong_clock(seconds: float, way: str) -> None:
    """The server whose clock differs from the others' is named, not the others."""
    wrong = with_facts(server(1), clock_ahead=seconds)
    error = refused([server(0), wrong, server(2)])
    assert error.message == f"the clock of b is {abs(seconds):.0f} seconds {way} those of the other servers"


def test_clocks_may_differ_from_ours() -> None:
    """Only the servers are compared: this machine's clock may be wrong."""
    refuse_unfit([with_facts(member, clock_ahead=5000.0) for member in servers(3)])


@pytest.mark.parametrize(
    ("versions", "text"), [(("19.3.5", "26.1.5"), "too old"), (("20.10.24", "29.0.1"), "too far apart")]
)
def test_engines_too_far_apart(versions: tuple[str, str], text: str) -> None:
    """The engine to upgrade is named."""
    members = [
        with_facts(member, version=version) for member, version in zip(servers(2), versions, strict=True)
    ]
    assert text in refused(members).message
    assert "a" in refused(members).message


def test_engines_of_three_debians_fit() -> None:
    """20.10, 26.1 and 28.5 were tried as one cluster."""
    versions = ("20.10.24+dfsg1", "26.1.5", "28.5.2")
    refuse_unfit(
        [with_facts(member, version=version) for member, version in zip(servers(3), versions, strict=True)]
    )


@pytest.mark.parametrize("state", [FOREIGN, MANAGER])
def test_somebody_elses_swarm(state: SwarmState) -> None:
    """A server in another Swarm is refused, whether it is a manager or a worker there."""
    error = refused([server(0), with_facts(server(1), swarm=state, nodes=frozenset({"theirs"}))])
    assert error.message == "b is in a swarm that is not FTL's, and was not changed"


def test_a_worker_is_known_by_its_managers() -> None:
    """A worker does not see whose Swarm it is in: the managers among the servers know its node."""
    members, _ = in_cluster(servers(4), 3)
    refuse_unfit(members)
    refused(members[3:])
    refuse_unfit([with_facts(members[3], stored_node="node-d")])


def test_two_clusters() -> None:
    """Servers of two clusters that FTL made are not merged."""
    one, _ = in_cluster(servers(1), 1)
    other, _ = in_cluster([server(1)], 1)
    second = with_facts(other[0], swarm=replace(other[0].swarm, cluster="second"))
    assert refused([one[0], second]).message == "a and b are in two clusters of FTL's"


def test_an_address_that_the_server_does_not_have() -> None:
    """Behind address translation the others cannot reach it at the address of its name."""
    error = refused([server(0), replace(server(1), address="203.0.113.7")])
    assert "b does not have the address 203.0.113.7" in error.message
    assert "private_address" in (error.hint or "")


@pytest.mark.parametrize(
    ("more", "first_word"),
    [((ServerAddress("203.0.113.7", "203.0.113.7/24", 1500),), "write"), ((), "take")],
)
def test_another_address_than_the_one_in_the_cluster(
    more: tuple[ServerAddress, ...], first_word: str
) -> None:
    """Swarm keeps the old one, which the firewalls would close; nothing is changed."""
    members, _ = in_cluster(servers(3), 3)
    old = replace(members[1].swarm, address="203.0.113.7")
    members[1] = with_facts(members[1], swarm=old, addresses=(*members[1].facts.addresses, *more))
    error = refused(members)
    assert error.message == "b is in the cluster with the address 203.0.113.7, and ftl.yaml says 10.0.0.2"
    assert (error.hint or "").startswith(first_word)


def test_a_server_that_left_may_join_with_another_address() -> None:
    """The managers have forgotten its node: it begins anew."""
    members, _ = in_cluster(servers(2), 1)
    old = replace(members[1].swarm, node="forgotten", address="203.0.113.7")
    refuse_unfit([members[0], with_facts(members[1], swarm=old, stored_node="forgotten")])


def test_all_reasons_are_listed() -> None:
    """One run names everything that is wrong."""
    error = refused(
        [with_facts(server(0), clock_ahead=900.0), server(1), with_facts(server(2), swarm=FOREIGN)]
    )
    assert error.message.startswith("the clock of a")
    assert len(error.details) == 1
    assert error.details[0].startswith("c is in a swarm")


def test_private_addresses() -> None:
    """Those of RFC 1918, 6598 and 4193 are; every other is reached over the internet."""
    assert all(map(is_private, ("10.1.2.3", "172.31.0.1", "192.168.1.1", "100.100.0.1", "fd00::1")))
    assert not any(map(is_private, ("203.0.113.7", "172.32.0.1", "8.8.8.8", "2a01::1")))


def test_the_clusters_networks_have_no_address_of_a_server() -> None:
    """The first range in which no server has an address; a private network may be as large as 10.0.0.0/8."""
    large = with_facts(server(0), addresses=(ServerAddress("10.0.0.1", "10.0.0.1/8", 1500),))
    assert pool_for([large]) == "172.29.0.0/16"
    assert pool_for(servers(2)) == "10.213.0.0/16"


def test_a_smaller_mtu_between_the_servers() -> None:
    """The smallest of the interfaces between them counts; the usual one needs no option."""
    assert mtu_of([server(0), server(1, mtu=1450)]) == 1450
    assert mtu_of(servers(3)) == 0
    assert mtu_of([server(0, mtu=9000), server(1)]) == 0
