"""Restart: one container after the other where aliases allow it, else all together."""

from __future__ import annotations

from dataclasses import replace

from ftl.deploy.plan.steps.containers import StartContainers, StopAndRemove
from ftl.deploy.plan.steps.proxy import Switch
from ftl.deploy.plan.steps.records import Decide
from ftl.deploy.replicas import aliases, reached_by
from ftl.engine import labels
from ftl.operations.changes.restart import plan_restart
from ftl.proxy.names import release_alias
from tests.unit.deploy.world import (
    actions,
    first,
    kinds,
    plan,
    project,
    service,
)

from .live_release import ME, REQUEST, live, numbered, replicas


def test_a_restart_replaces_containers_within_their_release() -> None:
    """One of the next generation starts beside the old ones, with the image that those run; then the next."""
    asked = project()
    boxes = replicas(asked, 2)
    made = plan_restart(REQUEST, ME, live(asked, *boxes))
    assert kinds(made) == ["StartContainers", "WaitHealthy", "Switch", "Drain", "StopAndRemove"] * 2
    second, last = (step for step in made.steps if isinstance(step, StartContainers))
    between, switch = (step for step in made.steps if isinstance(step, Switch))
    assert (second.containers, second.image) == (("shop-web-r1g2-2",), "shop-web:r1")
    assert last.containers == ("shop-web-r1g2-1",)
    assert [spec.labels[labels.REPLICA] for spec in (*second.specs, *last.specs)] == ["2", "1"]
    assert second.specs[0].labels[labels.RELEASE] == "r1"
    alias = between.aliases["web"]
    assert [box.name for box in reached_by(alias, boxes)] == ["shop-web-r1-1"]
    assert alias in aliases(second.specs[0].labels), "requests go to the old 1 and the new 2"
    assert release_alias("shop", "web", "r1") not in aliases(second.specs[0].labels)
    assert switch.aliases == {"web": release_alias("shop", "web", "r1g2")}
    gone = [[ref.name for ref in step.containers] for step in made.steps if isinstance(step, StopAndRemove)]
    assert gone == [["shop-web-r1-2"], ["shop-web-r1-1"]]
    assert (made.release, made.record) == ("r1", None)


def test_a_restart_that_was_interrupted_is_begun_again() -> None:
    """New containers of the generation that never was live go; the next restart makes another one."""
    asked = project()
    boxes = replicas(asked, 1)
    left = numbered(replace(boxes[0], id="left", name="shop-web-r1g2"), 1, generation=2)
    made = plan_restart(REQUEST, ME, live(asked, *boxes, left))
    assert kinds(made)[0] == "StopAndRemove"
    start = first(made, StartContainers)
    assert isinstance(start, StartContainers)
    assert start.containers == ("shop-web-r1g3",)
    deployed = plan(asked, live(asked, *boxes, left), "content-r1")
    assert (actions(deployed), kinds(deployed)) == ({"web": "unchanged"}, ["StopAndRemove"])


def test_a_restart_of_what_publishes_a_port_stops_the_old_one_first() -> None:
    """Only one container can have a port of the server."""
    asked = project(service(forwards=("2222:22",)))
    made = plan_restart(REQUEST, ME, live(asked, *replicas(asked, 1)))
    start = first(made, StartContainers)
    assert isinstance(start, StartContainers)
    assert [ref.name for stop in start.stops for ref in stop.containers] == ["shop-web-r1"]


def test_without_a_proxy_a_restart_is_decided_by_a_step_of_its_own() -> None:
    """A worker has no requests to switch, and a failure after its new container runs must not remove that."""
    asked = project(service(port=None, routes=()))
    made = plan_restart(REQUEST, ME, live(asked, *replicas(asked, 1)))
    assert kinds(made) == ["StartContainers", "WaitHealthy", "Decide", "StopAndRemove"]
    assert isinstance(first(made, Decide), Decide)


def test_a_restart_replaces_together_what_has_no_aliases_for_turns() -> None:
    """Containers of FTL 0.1.0, and those of a service that stops first."""
    asked = project()
    old = plan_restart(REQUEST, ME, live(asked, *replicas(asked, 3, old=True)))
    start = first(old, StartContainers)
    assert isinstance(start, StartContainers)
    assert (kinds(old).count("StartContainers"), len(start.containers)) == (1, 3)
    alone = project(service(recreate=True))
    stops = plan_restart(REQUEST, ME, live(alone, *replicas(alone, 2)))
    together = first(stops, StartContainers)
    assert isinstance(together, StartContainers)
    assert (kinds(stops)[0], len(together.stops[0].containers)) == ("StartContainers", 2)
