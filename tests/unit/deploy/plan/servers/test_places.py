"""Services and dependencies of a cluster move where `on` and the roles of the servers say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency
from ftl.config.models.server import ClusterServer
from ftl.deploy.observe.swarm import service_id
from ftl.deploy.plan.desired.places import ELSEWHERE, FREE, TIED, exclusion
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import (
    StartContainers,
    StartDependency,
    StopAndRemove,
    StopOld,
)
from ftl.deploy.plan.steps.swarm_services import CreateSwarmService
from ftl.deploy.request import AdjustedRelease, Author, PlanRequest
from ftl.proxy.names import overlay_network
from tests.unit.deploy.cluster import cluster, dependency_on, observed, tasks_of, where
from tests.unit.deploy.world import actions, container, images, plan, service

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.deploy.plan.model import Plan
    from ftl.engine.values import Container


def why(found: Plan, name: str = "web") -> str:
    """Why something changes."""
    return next(change.why for change in found.changes if change.name == name)


@pytest.mark.parametrize(
    ("on", "without", "down", "drained", "reason"),
    [
        (("a",), "", "", "", ELSEWHERE),
        (("a",), "b", "", "", ELSEWHERE),
        (("a",), "bc", "", "", ""),
        (("worker",), "", "", "", ""),
        (("web",), "", "", "", ELSEWHERE),
        (("web",), "c", "", "", ""),
        ((), "", "", "", ""),
        ((), "c", "", "", "it may run on c, too"),
        ((), "bc", "", "", "it may run on b, c, too"),
        # Excluded by the deploy that found it so, and not back yet; or not excluded by one before that.
        ((), "c", "c", "", ""),
        ((), "c", "", "c", ""),
        (("a", "b"), "", "c", "", ""),
        (("a", "b"), "", "", "c", ""),
    ],
)
def test_a_service_is_replaced_where_on_says_something_else_than_its_constraints(
    on: tuple[str, ...], without: str, down: str, drained: str, reason: str
) -> None:
    """Neither its image nor its settings differ. Servers that are away or drained now count neither way."""
    asked = cluster(service(replicas=2, on=on))
    asked = replace(asked, servers=(*asked.servers[:2], ClusterServer(host="c", roles=("worker",))))
    seen = observed(asked, *tasks_of(asked, "r1", without=without), live="r1", down=tuple(down))
    views = tuple(replace(view, drained=view.name in drained) for view in seen.views)
    found = plan(asked, replace(seen, views=views))
    assert why(found) == reason
    if drained:
        cut = tuple(replace(view, cut_off=view.name in drained) for view in seen.views)
        assert why(plan(asked, replace(seen, views=cut))) == reason
    assert actions(found) == {"web": "replaced" if reason else "unchanged"}
    created = [step for step in found.steps if isinstance(step, CreateSwarmService)]
    assert [step.allowed for step in created] == ([asked.servers_for(asked.services[0])] if reason else [])


def test_nothing_is_placed_on_a_server_that_the_file_does_not_name() -> None:
    """It is in the cluster until `ftl setup` is run, and may still take tasks: it gets no image."""
    asked = cluster(service(replicas=2))
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    for is_open, reason in ((True, "it may run on d, no longer in `servers`"), (False, "")):
        assert why(plan(asked, replace(seen, unlisted={"d": is_open}))) == reason
    found = plan(asked, replace(seen, unlisted={"d": True}))
    (created,) = (step for step in found.steps if isinstance(step, CreateSwarmService))
    assert exclusion("shop", "d") in created.constraints
    # The next one finds it so.
    after = observed(asked, *tasks_of(asked, "r1", without="d"), live="r1")
    assert plan(asked, replace(after, unlisted={"d": True})).empty


def test_a_role_that_is_taken_from_a_server_moves_the_services_that_name_it() -> None:
    """`on` itself has not changed."""
    asked = cluster(service(replicas=2, on=("worker",)))
    assert plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1")).empty
    less = replace(asked, servers=(*asked.servers[:2], ClusterServer(host="c", roles=("web",))))
    found = plan(less, observed(less, *tasks_of(less, "r1"), live="r1"))
    assert (actions(found), why(found)) == ({"web": "replaced"}, ELSEWHERE)


def test_a_change_of_the_live_release_moves_nothing_by_itself(tmp_path: Path) -> None:
    """`ftl start` and `ftl scale` of something else leave it; a restart places it anew as all its containers are."""
    asked = cluster(service(replicas=2, on=("a",)))
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    for restart, expected in ((False, "unchanged"), (True, "replaced")):
        request = PlanRequest(asked, (), AdjustedRelease(restart=restart))
        found = make_plan(request, PlanInputs(Author("me@here"), images(asked)), seen)
        assert actions(found) == {"web": expected}


def plain(asked: Project) -> Container:
    """The container of `web` in the overlay."""
    (one,) = container(asked, "web", "r1")
    network = replace(one.endpoints[0], network=overlay_network("shop"))
    return replace(one, endpoints=(network,))


def test_a_service_that_is_tied_to_one_server_moves_there() -> None:
    """Its old container stops on its own server, and goes."""
    before, asked = (cluster(service(on=(on,), recreate=True)) for on in "bc")
    seen = observed(before, live="r1", on={"b": (plain(before),)})
    assert actions(plan(before, seen)) == {"web": "unchanged"}
    found = plan(asked, seen)
    assert (actions(found), why(found)) == ({"web": "replaced"}, ELSEWHERE)
    assert where(found, StartContainers) == [("c",)]
    assert where(found, StopOld) == [("b",)]
    assert where(found, StopAndRemove) == [("b",)]


def test_a_service_that_is_tied_to_one_server_since_or_no_longer_changes_its_kind() -> None:
    """Containers on one server become replicas on all, and the other way round."""
    free, tied = cluster(service()), cluster(service(recreate=True))
    found = plan(tied, observed(tied, *tasks_of(tied, "r1"), live="r1"))
    assert why(found) == TIED
    assert where(found, StartContainers) == [("a",)]
    seen = observed(free, live="r1", on={"a": (plain(free),)})
    assert not service_id(seen.containers[0])
    found = plan(free, seen)
    assert why(found) == FREE
    assert any(isinstance(step, CreateSwarmService) for step in found.steps)


@pytest.mark.parametrize("command", [None, "redis-server --save ''"])
def test_a_dependency_without_data_moves_where_on_says(command: str | None) -> None:
    """It stops on the old server before it starts on the new one, since both would answer to its name."""
    cache = Dependency(name="cache", image="example/cache:1", on="a")
    before = cluster(dependencies=(cache,))
    asked = cluster(dependencies=(replace(cache, on="b", command=command),))
    current = dependency_on(before, "cache")
    seen = observed(before, *tasks_of(before, "r1"), live="r1", on={"a": (current,)})
    assert plan(before, seen).empty
    found = plan(asked, seen)
    assert actions(found) == {"web": "unchanged", "cache": "replaced"}
    assert why(found, "cache") == (ELSEWHERE if command is None else "new configuration")
    order = [(type(step), step.servers) for step in found.steps]
    stopped, started = order.index((StopOld, ("a",))), order.index((StartDependency, ("b",)))
    assert stopped < started < order.index((StopAndRemove, ("a",)))
    (start,) = (step for step in found.steps if isinstance(step, StartDependency))
    assert start.replaces is None
    (removed,) = (step for step in found.steps if isinstance(step, StopAndRemove))
    assert removed.containers == (ContainerRef(current.id, current.name),)
