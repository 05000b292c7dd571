"""The trial of the network between servers: encryption, MTU, and what is left of it."""

from __future__ import annotations

import pytest

from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Endpoint
from ftl.errors import FtlError
from ftl.server.cluster.steps import (
    TryNetwork,
)
from tests.support.clock import run

from .swarm import engine_of
from .three_servers import BEGIN, NAME, NETWORK, ThreeServers
from .world import server


def test_an_mtu_that_the_way_does_not_carry_is_named_and_nothing_is_left() -> None:
    """Small packets alone would let a cluster look well until the first large answer."""
    world = ThreeServers()
    world.cluster.silent = {True, False}
    world.cluster.passes_small = True
    with pytest.raises(FtlError, match="small packets pass from a to b, and those of 1450 bytes"):
        world.apply(*BEGIN, NETWORK)
    assert world.in_it() == {"a": False, "b": False, "c": False}


def test_the_network_is_encrypted_where_that_works() -> None:
    """Its first subnets are left to Docker itself; nothing is said about it."""
    world = ThreeServers("abc", "a")
    world.apply(NETWORK)
    assert world.network_changes() == [f"a: create {NAME} 10.213.16.0/24 0 encrypted"]
    assert world.notes() == []


def test_a_private_network_without_encryption_is_noted() -> None:
    """The encrypted one, which passes nothing, is removed first."""
    world = ThreeServers("abc", "a")
    world.cluster.silent = {True}
    world.apply(NETWORK)
    assert world.network_changes()[1:] == ["a: remove the network", f"a: create {NAME} 10.213.16.0/24 0"]
    assert "are not encrypted" in world.notes()[0]


def test_packets_over_the_internet_are_encrypted_or_refused() -> None:
    """The network of the failed run is removed; the servers, which were a cluster before, stay one."""
    world = ThreeServers("abc", "a", public=True)
    world.cluster.silent = {True}
    with pytest.raises(FtlError, match=r"c is reached at the public address 203.0.113.9"):
        world.apply(NETWORK)
    assert world.cluster.networks == {}
    assert set(world.in_it().values()) == {True}


def test_a_network_that_is_used_is_tried_and_kept() -> None:
    """Where it fails, the pairs are the details, and nothing is removed."""
    world = ThreeServers("abc", "a")
    world.apply(NETWORK)
    world.apply(TryNetwork("a", exists=True))
    world.cluster.silent = {True}
    world.cluster.run("web", "a")
    with pytest.raises(FtlError, match="does not work") as caught:
        world.apply(TryNetwork("a", exists=True))
    assert len(caught.value.details) == 6
    assert list(world.cluster.networks) == [NAME]


def test_a_network_that_nothing_uses_is_made_anew_where_it_fails() -> None:
    """A setup was killed before it could tell that packets pass without encryption alone."""
    world = ThreeServers("abc", "a")
    world.apply(NETWORK)
    world.cluster.silent = {True}
    world.apply(TryNetwork("a", exists=True))
    assert world.network_changes()[-2:] == ["a: remove the network", f"a: create {NAME} 10.213.16.0/24 0"]
    assert "are not encrypted" in world.notes()[0]


def test_a_network_in_which_a_container_is_counts_as_used() -> None:
    """That of a dependency, or the proxy; those of a trial that was killed end by themselves."""
    world = ThreeServers("abc", "a")
    world.apply(NETWORK)
    world.cluster.silent = {True}
    engine = engine_of(world.sessions["c"])
    engine.add_image("postgres:17")
    run(engine.create("shop-db", ContainerSpec(image="postgres:17", labels={})))
    engine.by_name["shop-db"].endpoints[NAME] = Endpoint(NAME, "10.213.16.5")
    with pytest.raises(FtlError, match="does not work"):
        world.apply(TryNetwork("a", exists=True))
    assert list(world.cluster.networks) == [NAME]


def test_nodes_are_known_to_work_in_a_network_when_it_was_tried() -> None:
    """Not when it was created, and not where the trial failed or was interrupted."""
    world = ThreeServers("abc", "a")
    world.cluster.silent = {True, False}
    with pytest.raises(FtlError):
        world.apply(NETWORK)
    assert world.tried() == {}
    world.cluster.silent = set()
    world.apply(NETWORK)
    assert world.tried() == dict.fromkeys("abc", NAME)


def test_the_containers_of_a_trial_are_removed() -> None:
    """On every server, whatever the outcome was."""
    world = ThreeServers("abc", "a")
    world.apply(NETWORK)
    assert [engine_of(session).by_name for session in world.sessions.values()] == [{}, {}, {}]


def test_a_small_mtu_between_the_servers_is_one_of_the_network() -> None:
    """Swarm itself assumes 1500 bytes."""
    world = ThreeServers("abc", "a")
    world._members[1] = server(1, mtu=1400)
    world.apply(NETWORK)
    assert world.network_changes() == [f"a: create {NAME} 10.213.16.0/24 1400 encrypted"]
