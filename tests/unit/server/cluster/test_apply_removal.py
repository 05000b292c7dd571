"""Servers that are no longer in ftl.yaml leave the cluster."""

from __future__ import annotations

import pytest

from ftl.errors import EngineError
from ftl.events import Note
from ftl.server.cluster.membership import remove_node
from ftl.server.cluster.steps import (
    ReleaseServer,
    RemoveServer,
)
from tests.support.clock import run

from .three_servers import ThreeServers, crontab_written


def test_a_server_that_is_no_longer_in_the_file_is_drained_and_removed() -> None:
    """A manager becomes a worker first: the others would go on counting its vote."""
    world = ThreeServers("abc", "abc")
    world.apply(RemoveServer("c", "node-c", is_manager=True))
    changes = ["a: node-c drain", "a: node-c worker", "a: remove node-c", "c: leave"]
    assert world.cluster.changes == changes
    assert crontab_written(world.sessions["c"]) == ["write", "follow", "notify"]
    (note,) = [event for event in world.events if isinstance(event, Note)]
    text = "c is no longer in the cluster; its dependencies, volumes and proxy were not touched"
    assert (note.text, note.hint) == (text, None)


@pytest.mark.parametrize("reason", ["silent", "another", "down"])
def test_what_a_server_that_cannot_be_reached_goes_on_with_is_told(reason: str) -> None:
    """It is removed all the same. A name that leads to another machine by now changes nothing there."""
    world = ThreeServers("abc", "abc")
    if reason == "silent":
        world.silent = {"c"}
    elif reason == "another":
        world.leads = {"c": "b"}
    else:
        world.cluster.kill("c")
    world.apply(RemoveServer("c", "node-c", is_manager=True))
    assert "node-c" not in world.cluster.nodes
    assert world.in_it() == {"a": True, "b": True, "c": True}
    assert [crontab_written(session) for session in world.sessions.values()] == [[], [], []]
    (note,) = [event for event in world.events if isinstance(event, Note)]
    assert "docker swarm leave" in (note.hint or "")
    assert "remove the lines of shop from the crontab" in (note.hint or "")


def test_a_server_of_other_projects_loses_labels_only() -> None:
    """It stays in the cluster."""
    world = ThreeServers("abc", "a")
    run(
        world.sessions["a"].engine.swarm.update_node(
            "node-c", labels={"ftl.host.shop": "c", "ftl.host.blog": "c"}
        )
    )
    world.apply(ReleaseServer("c", "node-c", {"ftl.host.shop": None}))
    assert world.cluster.nodes["node-c"].labels == {"ftl.host.blog": "c"}
    assert crontab_written(world.sessions["c"]) == ["write", "follow", "notify"]
    assert (world.in_it()["c"], world.notes()) == (True, [])
    world.silent = {"b"}
    world.apply(ReleaseServer("b", "node-b", {"ftl.host.shop": None}))
    assert world.notes() == ["b could not be reached"]


def test_a_node_that_cannot_be_removed_is_tried_for_half_a_minute() -> None:
    """Then the engine's error is raised."""
    world = ThreeServers("ab", "ab")
    with pytest.raises(EngineError, match="cannot remove it"):
        run(remove_node(world.sessions["a"].engine.swarm, "node-b", is_manager=False))
