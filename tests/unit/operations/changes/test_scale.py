"""Scale: replicas are added or removed within the live release."""

from __future__ import annotations

import pytest

from ftl.deploy.plan.desired.specs import replica_spec
from ftl.deploy.plan.steps.containers import StartContainers, StopAndRemove
from ftl.deploy.plan.steps.proxy import RepairSwitch, Switch
from ftl.deploy.replicas import MOST, alias_of, aliases, number_of, reached_by
from ftl.engine.specs import ContainerSpec
from ftl.errors import UsageError
from ftl.operations.changes.scale import parse_numbers
from ftl.proxy.names import release_alias
from tests.unit.deploy.world import (
    actions,
    first,
    kinds,
    plan,
    project,
    service,
)

from .live_release import live, numbered, replicas, scaled


def test_more_replicas_join_and_get_requests_together() -> None:
    """Two are started, the one that runs is left alone, and one write sends requests to all three once healthy."""
    asked = project()
    made = scaled(live(asked, *replicas(asked, 1)), 3)
    assert kinds(made) == ["StartContainers", "WaitHealthy", "Switch"]
    assert actions(made) == {"web": "scaled"}
    start, switch = first(made, StartContainers), first(made, Switch)
    assert isinstance(start, StartContainers)
    assert isinstance(switch, Switch)
    assert (start.containers, start.image) == (("shop-web-r1-2", "shop-web-r1-3"), "shop-web:r1")
    alias = switch.aliases["web"]
    new = start.specs
    assert [alias in aliases(spec.labels) for spec in new] == [True, True]
    assert len(reached_by(alias, replicas(asked, 1))) == 1
    unhealthy_alias = release_alias("shop", "web", "r1")
    assert all(unhealthy_alias not in aliases(spec.labels) for spec in new), "no request before the switch"
    assert made.record is None


def test_fewer_replicas_drain_and_leave() -> None:
    """Requests go to the first one alone before the others stop."""
    asked = project()
    boxes = replicas(asked, 3)
    made = scaled(live(asked, *boxes), 1)
    assert kinds(made) == ["Switch", "Drain", "StopAndRemove"]
    switch, stop = first(made, Switch), first(made, StopAndRemove)
    assert isinstance(switch, Switch)
    assert isinstance(stop, StopAndRemove)
    assert [box.name for box in reached_by(switch.aliases["web"], boxes)] == ["shop-web-r1-1"]
    assert [ref.name for ref in stop.containers] == ["shop-web-r1-2", "shop-web-r1-3"]


def test_after_a_scaling_the_live_containers_are_those_of_the_alias() -> None:
    """Added ones count once the switch names them; before, they are left over and removed."""
    asked = project()
    boxes = [*replicas(asked, 1), *(numbered(replicas(asked, 3)[n - 1], n, added=True) for n in (2, 3))]
    done = live(asked, *boxes, alias=release_alias("shop", "web", "r1-3"))
    assert len(done.live_containers("web")) == 3
    interrupted = live(asked, *boxes)
    assert len(interrupted.live_containers("web")) == 1
    again = scaled(interrupted, 3)
    assert kinds(again)[:3] == ["Drain", "StopAndRemove", "StartContainers"], "their names are needed again"


@pytest.mark.parametrize("count", [2, 3])
def test_containers_of_0_1_0_are_not_replaced_by_a_changed_number(count: int) -> None:
    """They have no alias for sets: new ones share theirs, and one alone is reached by its name meanwhile."""
    asked = project()
    made = scaled(live(asked, *replicas(asked, 1, old=True)), count)
    assert kinds(made) == ["RepairSwitch", "StartContainers", "WaitHealthy", "Switch"]
    narrow, switch = first(made, RepairSwitch), first(made, Switch)
    assert isinstance(narrow, RepairSwitch)
    assert isinstance(switch, Switch)
    assert (narrow.aliases, switch.aliases) == (
        {"web": "shop-web-r1"},
        {"web": release_alias("shop", "web", "r1")},
    )
    several = scaled(live(asked, *replicas(asked, 2, old=True)), count + 1)
    assert kinds(several) == ["StartContainers", "WaitHealthy", "Decide"]
    start = first(made, StartContainers)
    assert isinstance(start, StartContainers)
    assert release_alias("shop", "web", "r1") in aliases(start.specs[0].labels)
    fewer = scaled(live(asked, *replicas(asked, 3, old=True)), 1)
    switch = first(fewer, Switch)
    assert isinstance(switch, Switch)
    assert switch.aliases == {"web": "shop-web-r1-1"}
    two = scaled(live(asked, *replicas(asked, 3, old=True)), 2)
    assert kinds(two) == ["Decide", "StopAndRemove"]


def test_a_deploy_with_another_number_adds_or_removes_alone() -> None:
    """`replicas` in ftl.yaml is no part of what a container is; it makes a release, which the record shows."""
    asked = project(service(replicas=3))
    before = project()
    observed = live(before, *replicas(before, 1))
    made = plan(asked, observed, "content-r1")
    assert [(change.action, change.why) for change in made.changes] == [("scaled", "3 replicas instead of 1")]
    assert "StopAndRemove" not in kinds(made)
    assert made.record is not None
    assert (made.release, made.record.services["web"].release) == ("r2", "r1")
    back = plan(before, live(before, *replicas(before, 3)), "content-r1")
    assert "`ftl scale` had set web to 3: it gets 1 again, as ftl.yaml says" in back.notes
    newer = plan(before, live(before, *replicas(before, 3)), "content-r2")
    assert [change.action for change in newer.changes] == ["replaced"]
    assert "`ftl scale` had set web to 3: it gets 1 again, as ftl.yaml says" in newer.notes


def test_very_many_replicas_are_started_anew() -> None:
    """Beyond the number that containers have aliases for, a change replaces them."""
    asked = project()
    assert actions(scaled(live(asked, *replicas(asked, 1)), MOST)) == {"web": "scaled"}
    assert actions(scaled(live(asked, *replicas(asked, 1)), MOST + 1)) == {"web": "replaced"}


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("web", "`web` is not a number of replicas"),
        ("web=", "`web=` is not a number of replicas"),
        ("web=x", "is not a whole number from 1 to 10000"),
        ("web=-1", "is not a whole number from 1 to 10000"),
        ("web=2²", "is not a whole number from 1 to 10000"),
        ("web=10001", "is not a whole number from 1 to 10000"),
        ("web=" + "9" * 5000, r"^`web=9{56}\.\.\.`: the number of replicas is not a whole number"),
        ("web=0", "at least one"),
    ],
)
def test_what_is_no_number_is_refused(word: str, problem: str) -> None:
    """As in ftl.yaml; the hint shows the form, and 0 leads to `ftl stop`."""
    with pytest.raises(UsageError, match=problem):
        parse_numbers([word])
    assert parse_numbers(["web=3", "api=1"]) == {"web": 3, "api": 1}


def test_numbers_and_aliases_of_containers() -> None:
    """0.1.0 numbered containers by name; an alias is found that leads to exactly the wanted ones."""
    asked = project()
    old = replicas(asked, 12, old=True)
    assert [number_of(box) for box in old] == list(range(1, 13))
    assert number_of(replicas(asked, 1, old=True)[0]) == 1
    boxes = replicas(asked, 3)
    assert alias_of(boxes) == release_alias("shop", "web", "r1")
    assert alias_of(boxes[:2], boxes) == release_alias("shop", "web", "r1-2")
    assert alias_of(boxes[1:], boxes) == "", "sets begin at number 1"
    assert alias_of(boxes[1:2], boxes) == "shop-web-r1-2"
    assert alias_of(()) == ""
    assert replica_spec(ContainerSpec("", dict(boxes[0].labels), networks={"n": ()}), 2).networks["n"]
