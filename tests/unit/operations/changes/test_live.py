"""Restart, scale and start: plans that change containers of the live release alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency, Server
from ftl.deploy.backend import DOCKER
from ftl.deploy.opening import OperationRequest
from ftl.deploy.plan.desired.specs import replica_spec
from ftl.deploy.plan.steps.containers import RestartContainers, StartContainers, StopAndRemove, StopOld
from ftl.deploy.plan.steps.proxy import RepairSwitch, Switch
from ftl.deploy.plan.steps.records import Decide
from ftl.deploy.replicas import MOST, alias_of, aliases, number_of, reached_by
from ftl.deploy.request import Author
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.errors import UsageError
from ftl.operations.changes.restart import plan_restart
from ftl.operations.changes.scale import parse_numbers, plan_scale
from ftl.operations.changes.start import plan_start
from ftl.operations.changes.stop import plan_stop
from ftl.proxy.names import release_alias
from tests.unit.deploy.world import (
    actions,
    container,
    dependency,
    first,
    kinds,
    plan,
    project,
    server,
    service,
)
from tests.unit.operations.changes.rollback.rollback_world import released

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.engine.values import Container

REQUEST = OperationRequest("shop", Server(host="server"), Path(), DOCKER)
ME = Author("me@here")


def numbered(box: Container, number: int, *, added: bool = False, generation: int = 1) -> Container:
    """The container as this version of FTL starts it: with its number."""
    marks = {**box.labels, labels.REPLICA: str(number)}
    marks |= {labels.ADDED: "true"} if added else {}
    marks |= {labels.GENERATION: str(generation)} if generation > 1 else {}
    return replace(box, labels=marks)


def replicas(asked: Project, count: int, *, old: bool = False, state: str = "running") -> list[Container]:
    """The containers of web at r1; `old`: as FTL 0.1.0 made them."""
    wide = replace(asked, services=(replace(asked.services[0], replicas=count),))
    boxes = container(wide, "web", "r1", content="content-r1", state=state)
    return [box if old else numbered(box, number) for number, box in enumerate(boxes, 1)]


def live(asked: Project, *boxes: Container, alias: str = "") -> Observed:
    """The server where they are live by an alias."""
    observed = server(asked, *boxes, live={"web": "r1"}, releases=(released(asked, "r1"),))
    assert observed.proxy is not None
    pointed = {("shop", "web"): alias or release_alias("shop", "web", "r1")}
    return replace(observed, proxy=replace(observed.proxy, live=pointed))


def scaled(observed: Observed, count: int) -> Plan:
    """The plan of `ftl scale web=COUNT`."""
    return plan_scale({"web": count})(REQUEST, ME, observed)


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
    assert kinds(made).index("StopOld") < kinds(made).index("StartContainers")
    assert isinstance(first(made, StopOld), StopOld)


def test_without_a_proxy_a_restart_is_decided_by_a_step_of_its_own() -> None:
    """A worker has no requests to switch, and a failure after its new container runs must not remove that."""
    asked = project(service(port=None, routes=()))
    made = plan_restart(REQUEST, ME, live(asked, *replicas(asked, 1)))
    assert kinds(made) == ["StartContainers", "WaitHealthy", "Decide", "StopAndRemove"]
    assert isinstance(first(made, Decide), Decide)


def test_start_starts_what_was_stopped() -> None:
    """Containers that run are left alone."""
    asked = project()
    stopped = replicas(asked, 2, state="exited")
    made = plan_start(REQUEST, ME, live(asked, replace(stopped[0], state="running"), stopped[1]))
    again = first(made, RestartContainers)
    assert isinstance(again, RestartContainers)
    assert [ref.name for ref in again.containers] == ["shop-web-r1-2"]
    assert plan_start(REQUEST, ME, live(asked, *replicas(asked, 2))).empty


def both_live(asked: Project, *, web: str = "running", api: str = "running") -> Observed:
    """The server where web and api are live, and postgres was stopped on purpose."""
    boxes = [
        numbered(box, 1)
        for name, state in (("web", web), ("api", api))
        for box in container(asked, name, "r1", content="content-r1", state=state)
    ]
    record = released(asked, "r1")
    stopped = dependency(asked, "postgres", state="exited")
    return server(asked, *boxes, stopped, live={"web": "r1", "api": "r1"}, releases=(record,))


PAIR = project(
    service("web"), service("api"), dependencies=(Dependency(name="postgres", image="postgres:16"),)
)


def test_a_start_names_the_dependencies_that_it_starts_too() -> None:
    """As `docker compose start` does; one that is named needs no note."""
    observed = both_live(PAIR, web="exited")
    (note,) = plan_start(replace(REQUEST, services=("web",)), ME, observed).notes
    assert note.startswith("postgres did not run either")
    assert plan_start(replace(REQUEST, services=("web", "postgres")), ME, observed).notes == ()


@pytest.mark.parametrize("state", ["running", "exited"])
def test_a_change_of_one_service_leaves_the_routes_of_all(state: str) -> None:
    """Start, restart, scale and stop of web write no site: requests for api go on."""
    observed = both_live(PAIR, web="exited", api=state)
    only = replace(REQUEST, services=("web",))
    started = plan_start(only, ME, observed)
    assert "RestartContainers" in kinds(started)
    running = both_live(PAIR, api=state)
    plans = [started, plan_restart(only, ME, running), scaled(running, 2), plan_stop(only, ME, running)]
    assert [[kind for kind in kinds(made) if kind in ("ApplySite", "RemoveSite")] for made in plans] == [
        []
    ] * 4
    assert all("api" not in {step.subject for step in made.steps} for made in plans)


def test_a_dependency_that_was_stopped_stays_stopped() -> None:
    """Restart and scale leave it, start of services starts it, and start of it alone changes no service."""
    running = both_live(PAIR)
    for made in (plan_restart(REQUEST, ME, running), scaled(running, 2)):
        assert "postgres" not in {step.subject for step in made.steps}
    alone = plan_start(replace(REQUEST, services=("postgres",)), ME, both_live(PAIR, web="exited"))
    assert {step.subject for step in alone.steps} == {"postgres"}


def test_unknown_services_and_nothing_deployed_are_refused() -> None:
    """Each error says what there is."""
    asked = project()
    with pytest.raises(UsageError, match="there is no service `wep`") as refused:
        plan_restart(replace(REQUEST, services=("wep",)), ME, live(asked, *replicas(asked, 1)))
    assert "did you mean `web`?" in (refused.value.hint or "")
    with pytest.raises(UsageError, match="there is no service `wep`"):
        plan_scale({"wep": 2})(REQUEST, ME, live(asked, *replicas(asked, 1)))
    with pytest.raises(UsageError, match="shop is not deployed"):
        plan_restart(REQUEST, ME, server(asked, ready=False))
    published = project(service(forwards=("2222:22",)))
    with pytest.raises(UsageError, match="web cannot have several containers"):
        scaled(live(published, *replicas(published, 1)), 2)
    alone = project(service(recreate=True))
    with pytest.raises(UsageError, match="never runs twice"):
        scaled(live(alone, *replicas(alone, 1)), 2)


@pytest.mark.parametrize(
    ("word", "problem"), [("web", "not a number"), ("web=x", "not a number"), ("web=0", "at least one")]
)
def test_what_is_no_number_is_refused(word: str, problem: str) -> None:
    """The hint shows the form, and 0 leads to `ftl stop`."""
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


def test_stop_keeps_containers_and_names_dependencies_only_if_asked() -> None:
    """Services stop; the database only by name, after them; what does not run is left alone."""
    asked = project(dependencies=(Dependency(name="postgres", image="postgres:16"),))
    observed = live(asked, *replicas(asked, 2), dependency(asked, "postgres"))
    every = plan_stop(REQUEST, ME, observed)
    assert (kinds(every), actions(every)) == (["StopContainers"], {"web": "stopped"})
    both = plan_stop(replace(REQUEST, services=("postgres", "web")), ME, observed)
    assert [step.subject for step in both.steps] == ["web", "postgres"]
    stopped = live(asked, *replicas(asked, 2, state="exited"), dependency(asked, "postgres", state="exited"))
    assert plan_stop(REQUEST, ME, stopped).empty
    again = plan_start(replace(REQUEST, services=("postgres",)), ME, stopped)
    assert [step.subject for step in again.steps] == ["postgres", "postgres"]
    everything = plan_start(REQUEST, ME, stopped)
    assert {step.subject for step in everything.steps} == {"postgres", "web"}
    with pytest.raises(UsageError, match="there is no service `redis`"):
        plan_stop(replace(REQUEST, services=("redis",)), ME, observed)


def test_a_dependency_is_named_as_one_where_only_services_are_changed() -> None:
    """It exists: "there is no such service" would be looked for in ftl.yaml."""
    asked = project(dependencies=(Dependency(name="postgres", image="postgres:16"),))
    observed = live(asked, *replicas(asked, 2), dependency(asked, "postgres"))
    with pytest.raises(UsageError, match="`postgres` is a dependency") as refused:
        plan_restart(replace(REQUEST, services=("postgres",)), ME, observed)
    assert "stop postgres" in (refused.value.hint or "")
    with pytest.raises(UsageError, match="`postgres` is a dependency"):
        plan_scale({"postgres": 2})(REQUEST, ME, observed)
