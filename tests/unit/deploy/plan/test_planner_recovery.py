"""What a plan makes of what an earlier deploy, a crash or a hand has left behind, by tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.observe.snapshot import with_outcomes
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import SetRestartPolicy, StopAndRemove
from ftl.deploy.plan.steps.proxy import RepairSwitch
from ftl.deploy.plan.steps.records import WriteRecord
from ftl.engine import labels
from ftl.engine.values import Container
from ftl.proxy.names import release_alias
from tests.unit.deploy.world import (
    actions,
    container,
    dependency,
    kinds,
    plan,
    project,
    record,
    server,
    service,
)


def test_a_stopped_container_that_is_right_is_started_again() -> None:
    """Nothing is replaced when starting is enough."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1", state="exited"), live={"web": "r1"})
    found = plan(asked, there)
    assert actions(found) == {"web": "restarted"}
    assert kinds(found) == ["RestartContainers", "WaitHealthy"]


@pytest.mark.parametrize("state", ["paused", "restarting", "dead"])
def test_a_container_that_is_stuck_is_replaced(state: str) -> None:
    """What cannot simply be started gives way to a new container, which has to prove itself."""
    asked = project(dependencies=(Dependency(name="db", image="postgres:16"),))
    there = server(
        asked,
        *container(asked, "web", "r1", state=state),
        dependency(asked, "db", state=state),
        live={"web": "r1"},
    )
    assert actions(plan(asked, there)) == {"web": "replaced", "db": "replaced"}


def test_leftovers_that_never_were_live_go_first() -> None:
    """Containers of a deploy that was killed before its switch are removed before anything starts."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), *container(asked, "web", "r2"), live={"web": "r1"})
    found = plan(asked, there)
    assert actions(found) == {"web": "unchanged"}
    assert [step.containers for step in found.steps if isinstance(step, StopAndRemove)] == [
        (ContainerRef("id-shop-web-r2", "shop-web-r2"),)
    ]
    assert plan(asked, there, "sha256:two").release == "r3"


def test_leftovers_that_were_live_are_drained() -> None:
    """Containers whose deploy was killed after its switch still finish their requests."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), *container(asked, "web", "r2"), live={"web": "r2"})
    found = plan(asked, there)
    assert kinds(found) == ["Drain", "StopAndRemove"]


def test_a_release_that_was_cut_off_after_its_switch_is_recorded_as_live() -> None:
    """The record of a deploy that died between switching and saying so is put right."""
    asked = project()
    there = server(
        asked,
        *container(asked, "web", "r2"),
        live={"web": "r2"},
        releases=(record("r2", "started", web="r2"),),
    )
    found = plan(asked, there)
    assert [step.record.outcome for step in found.steps if isinstance(step, WriteRecord)] == ["live"]


@pytest.mark.parametrize(
    ("running", "recorded", "live"),
    [
        ({"r1": ["running", "running"]}, (), "r1"),
        ({"r1": ["running", "running"], "r2": ["running", "running"]}, (), "r2"),
        ({"r1": ["running", "running"], "r2": ["running", "exited"]}, (), "r1"),
        ({"r1": ["running", "running"], "r2": ["running", "running"]}, (("r2", "failed"),), "r1"),
        ({"r1": ["running", "running"]}, (("r1", "started"),), None),
        ({"r9": ["running", "running"], "r10": ["running", "running"]}, (), "r10"),
        ({"r1": ["running", "exited"]}, (), "r1"),
        ({"r1": ["exited", "exited"]}, (), None),
    ],
)
def test_without_proxy_and_records_what_runs_is_live(
    running: dict[str, list[str]], recorded: tuple[tuple[str, str], ...], live: str | None
) -> None:
    """The newest whole release that runs is what users had, unless a record says that it never was live."""
    asked = project(service(replicas=2))
    containers = [
        replace(one, state=state)  # type: ignore[arg-type]
        for release, states in running.items()
        for one, state in zip(container(asked, "web", release), states, strict=True)
    ]
    releases = tuple(record(release, outcome) for release, outcome in recorded)
    there = replace(server(asked, *containers, releases=releases), proxy=None)
    assert there.live_release("web") == live


def test_without_proxy_and_records_nothing_that_runs_is_removed_before_the_switch() -> None:
    """The running release is adopted: pointed at where it did not change, replaced with all care where it did."""
    asked = project(service("web"), service("job", port=None, routes=()))
    there = replace(server(asked, *container(asked, "web", "r4"), *container(asked, "job", "r3")), proxy=None)
    same = plan(asked, there)
    assert actions(same) == {"web": "unchanged", "job": "unchanged"}
    assert [step.aliases for step in same.steps if isinstance(step, RepairSwitch)] == [
        {"web": release_alias("shop", "web", "r4")}
    ]
    assert not [step for step in same.steps if isinstance(step, StopAndRemove)]
    assert same.record is not None
    assert {name: one.release for name, one in same.record.services.items()} == {"web": "r4", "job": "r3"}
    found = kinds(plan(asked, there, "sha256:two"))
    assert found.index("Switch") < found.index("StopAndRemove")


@pytest.mark.parametrize("lost", ["proxy", "file", "wrong"])
def test_a_proxy_that_forgot_what_is_live_is_told(lost: str) -> None:
    """Without its volume or with another alias in its file, an unchanged service would be out of reach for ever."""
    asked = project(service("web"), service("api", routes=()))
    containers = (*container(asked, "web", "r4"), *container(asked, "api", "r3"))
    releases = (record("r4", web="r4", api="r3"),)
    there = server(asked, *containers, live={"web": "r4", "api": "r3"}, releases=releases)
    assert plan(asked, there).empty
    assert there.proxy is not None
    right = {
        name: release_alias("shop", name, release) for name, release in {"web": "r4", "api": "r3"}.items()
    }
    wrong = {**there.proxy.live, ("shop", "web"): "nonsense"}
    proxies = {
        "proxy": (None, right),
        "file": (replace(there.proxy, live={}), right),
        "wrong": (replace(there.proxy, live=wrong), {"web": right["web"]}),
    }
    proxy, told = proxies[lost]
    found = plan(asked, replace(there, proxy=proxy))
    assert [step.aliases for step in found.steps if isinstance(step, RepairSwitch)] == [told]
    assert actions(found) == {"web": "unchanged", "api": "unchanged"}


@pytest.mark.parametrize("state", ["running", "exited"])
@pytest.mark.parametrize("network", ["left", "removed", "made anew"])
def test_containers_that_are_not_in_the_network_are_replaced(network: str, state: str) -> None:
    """Nobody reaches them, or they cannot start: disconnected by hand, or their network was pruned."""
    asked = project(dependencies=(Dependency(name="redis", image="redis:7"),))
    containers = (*container(asked, "web", "r4", state=state), dependency(asked, "redis", state=state))
    alone = containers if network != "left" else tuple(replace(one, endpoints=()) for one in containers)
    there = server(asked, *alone, live={"web": "r4"})
    if network == "removed":
        there = replace(there, networks=())
    if network == "made anew":
        there = replace(there, networks=(replace(there.networks[0], id="other"),))
    assert actions(plan(asked, there)) == {"web": "replaced", "redis": "replaced"}


def test_without_changes_the_release_is_the_live_one() -> None:
    """A failed deploy after it has a higher number, and is not called live."""
    asked = project()
    there = server(
        asked,
        *container(asked, "web", "r2"),
        live={"web": "r2"},
        releases=(record("r2", web="r2"), record("r3", "failed", web="r3")),
    )
    assert plan(asked, there).release == "r2"


def test_a_hook_that_still_runs_gets_the_time_to_stop_that_the_user_gave() -> None:
    """A migration goes on after its deploy was cut; one that has ended is simply removed."""
    asked = project(service(stop_timeout=45.0))
    label_map = {
        labels.PROJECT: "shop",
        labels.SERVICE: "web",
        labels.RELEASE: "r2",
        labels.ROLE: labels.ROLE_HOOK,
    }
    runs = Container("h1", "shop-web-r2-pre", "app", "i", label_map, "running", "", 0)
    ended = replace(runs, id="h2", name="shop-web-r2-post", state="exited")
    there = server(asked, *container(asked, "web", "r1"), runs, ended, live={"web": "r1"})
    found = plan(asked, there)
    removed = {
        ref.name: (step.subject, step.timeout)
        for step in found.steps
        if isinstance(step, StopAndRemove)
        for ref in step.containers
    }
    assert removed == {"shop-web-r2-pre": ("web", 45.0), "shop-web-r2-post": ("web", 0.0)}, (
        "of web, not of hooks"
    )
    assert any("shop-web-r2-pre" in note and "45 s" in note for note in found.notes)


def test_a_release_that_was_cut_off_after_its_switch_is_the_live_one_for_every_plan() -> None:
    """Its record counts as live at once, with the image that its containers run; the plan writes that down."""
    asked = project()
    observed = with_outcomes(
        server(
            asked,
            *container(asked, "web", "r2"),
            *container(asked, "web", "r3"),
            live={"web": "r3"},
            releases=(record("r2", web="r2"), record("r3", "started", web="r3")),
        )
    )
    live = observed.live_record
    assert live is not None
    assert (live.release, live.services["web"].image_id) == ("r3", "sha256:x")
    assert [step.record for step in plan(asked, observed).steps if isinstance(step, WriteRecord)] == [live]


def test_a_release_that_was_cut_off_before_its_switch_stays_undecided() -> None:
    """Only the live file makes it live."""
    asked = project()
    releases = (record("r2", web="r2"), record("r3", "started", web="r3"))
    containers = (*container(asked, "web", "r2"), *container(asked, "web", "r3"))
    observed = with_outcomes(server(asked, *containers, live={"web": "r2"}, releases=releases))
    assert observed.releases == releases


@pytest.mark.parametrize(
    ("old", "removed", "policies"),
    [("running", ["id-g2"], []), ("exited", ["id-shop-worker-r1"], ["id-g2"])],
)
def test_after_a_killed_restart_without_a_port_the_proven_container_stays(
    old: str, removed: list[str], policies: list[str]
) -> None:
    """The new generation is removed while the old one runs; else it stays, and gets its restart policy."""
    asked = project(service("worker", port=None, routes=()))
    (first,) = container(asked, "worker", "r1", state=old)
    again = replace(
        first,
        id="id-g2",
        name="shop-worker-r1g2",
        state="running",
        labels={**first.labels, labels.GENERATION: "2"},
    )
    there = server(asked, first, again, releases=(record("r1", worker="r1"),))
    made = plan(asked, replace(there, policies={first.id: "always", again.id: "no"}))
    gone = [ref.id for step in made.steps if isinstance(step, StopAndRemove) for ref in step.containers]
    given = [ref.id for step in made.steps if isinstance(step, SetRestartPolicy) for ref in step.containers]
    assert (gone, given) == (removed, policies)


def test_after_a_killed_last_part_of_a_restart_the_new_container_is_removed_first() -> None:
    """It is of the newest generation, and never got a request: those that serve are of two."""
    asked = project(service(replicas=2))
    first, second = container(asked, "web", "r1")
    first = replace(first, labels={**first.labels, labels.REPLICA: "1"})
    newer = {**second.labels, labels.REPLICA: "2", labels.GENERATION: "2", labels.JOINED: "1:2"}
    second = replace(second, id="id-2g2", name="shop-web-r1g2-2", labels=newer)
    last = replace(first, id="id-1g2", name="shop-web-r1g2", labels={**first.labels, labels.GENERATION: "2"})
    there = server(asked, first, second, last, live={"web": "r1-2"})
    assert there.live_containers("web") == (first, second)
    found = plan(asked, there)
    assert kinds(found) == ["StopAndRemove"]
    gone = [ref.id for step in found.steps if isinstance(step, StopAndRemove) for ref in step.containers]
    assert gone == ["id-1g2"]
    # Once it gets requests, what it replaced finishes its own.
    over = plan(asked, server(asked, first, second, last, live={"web": "r1g2-2"}))
    assert kinds(over) == ["Drain", "StopAndRemove"]
