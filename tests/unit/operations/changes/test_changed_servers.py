"""Rollback and changes of a release that was deployed to other servers than those of today."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency, Project
from ftl.config.models.server import ClusterServer
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.operation import OperationRequest
from ftl.deploy.plan.servers.step_servers import assign_servers
from ftl.deploy.plan.steps.catch_up import PublishLiveState
from ftl.deploy.plan.steps.images import BringImage, TagPulled
from ftl.deploy.plan.steps.proxy import Switch
from ftl.deploy.plan.steps.swarm_services import CreateSwarmService
from ftl.deploy.request import Author
from ftl.errors import UsageError
from ftl.operations.changes.drain import plan_resume
from ftl.operations.changes.restart import plan_restart
from ftl.operations.changes.rollback.choice import choose
from ftl.operations.changes.rollback.rollback import RollbackRequest, plan_rollback
from ftl.operations.changes.start import plan_start
from tests.unit.deploy.cluster import SERVERS, cluster, observed, tasks_of, where
from tests.unit.deploy.world import service
from tests.unit.operations.changes.rollback.rollback_world import image, released

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan

THREE = cluster(service(replicas=2))
TWO = replace(THREE, servers=THREE.servers[:2])
FOUR = replace(THREE, servers=(*THREE.servers, ClusterServer(host="d")))


def seen(today: Project, *recorded: Project) -> Observed:
    """The servers of today; r1 and so on were deployed to those of `recorded`."""
    releases = tuple(released(asked, f"r{number}") for number, asked in enumerate(recorded, 1))
    live, images = releases[-1].release, tuple(image(one.release) for one in releases)
    found = observed(today, *tasks_of(today, live, content=f"content-{live}"), live=live)
    views = tuple(replace(view, images=(*view.images, *images)) for view in found.views)
    every = tuple(one for view in views for one in view.images)
    return replace(found, releases=releases, views=views, images=every)


def change_of(today: Project) -> OperationRequest:
    """A change as it is asked for with the ftl.yaml of today."""
    return OperationRequest(
        "shop", today.servers[0], Path(), DOCKER, GivenCommand("rollback"), servers=today.servers
    )


def rolled_back(today: Project, before: Project) -> Plan:
    """The plan to go back to r1, at its servers."""
    found = seen(today, before, today)
    request = RollbackRequest(change_of(today))
    made = plan_rollback(request, choose(found, None), Author("me@here"), {}, found)
    return assign_servers(made, found, today.servers)


@pytest.mark.parametrize("before", [TWO, FOUR])
def test_a_rollback_reaches_the_servers_of_today(before: Project) -> None:
    """One that joined since is switched, too, and one that left is not asked for."""
    made = rolled_back(THREE, before)
    assert where(made, Switch) == [SERVERS]
    created = next(step for step in made.steps if isinstance(step, CreateSwarmService))
    assert created.allowed == SERVERS
    assert created.constraints == (
        "node.labels.ftl.role.shop.any==true",
        "node.labels.ftl.drained.shop!=true",
    )
    assert where(made, PublishLiveState) == [SERVERS]
    assert next(step for step in made.steps if isinstance(step, PublishLiveState)).proxies == SERVERS
    assert made.record is not None
    assert Project.from_dict(made.record.project).servers == THREE.servers


def test_a_server_that_lacks_the_image_gets_it_before_it_is_tagged_there() -> None:
    """It joined after that release, or its image was removed; a server that has it keeps it."""
    found = seen(THREE, TWO, THREE)
    views = tuple(
        replace(view, images=tuple(one for one in view.images if "shop-web:r1" not in one.tags))
        if view.name == "c"
        else view
        for view in found.views
    )
    found = replace(found, views=views)
    request = RollbackRequest(change_of(THREE))
    made = plan_rollback(request, choose(found, None), Author("me@here"), {}, found)
    made = assign_servers(made, found, THREE.servers)
    (bring,) = (step for step in made.steps if isinstance(step, BringImage))
    (tag,) = (step for step in made.steps if isinstance(step, TagPulled))
    assert (bring.reference, bring.servers) == ("shop-web:r1", ("c",))
    assert (tag.pulled, tag.servers) == ("shop-web:r1", SERVERS)
    assert made.steps.index(bring) < made.steps.index(tag)
    assert not [step for step in rolled_back(THREE, THREE).steps if isinstance(step, BringImage)]


@pytest.mark.parametrize("before", [TWO, FOUR])
def test_a_restart_reaches_the_servers_of_today(before: Project) -> None:
    """The live release was deployed to others."""
    found = seen(THREE, before)
    made = assign_servers(plan_restart(change_of(THREE), Author("me@here"), found), found, THREE.servers)
    assert where(made, Switch) == [SERVERS]
    assert next(step for step in made.steps if isinstance(step, CreateSwarmService)).allowed == SERVERS


def test_a_server_that_joined_since_gets_replicas_at_the_end_of_its_drain() -> None:
    """The live release was deployed without it."""
    found = seen(THREE, TWO)
    views = tuple(replace(view, drained=view.name == "c") for view in found.views)
    made = plan_resume("c")(change_of(THREE), Author("me@here"), replace(found, views=views))
    assert next(step for step in made.steps if isinstance(step, CreateSwarmService)).allowed == SERVERS


@pytest.mark.parametrize(
    ("planner", "before", "message"),
    [
        (
            plan_restart,
            cluster(service(replicas=2, on=("c",))),
            "web runs only on c, no longer listed in `servers`",
        ),
        (
            plan_start,
            cluster(service(), dependencies=(Dependency(name="db", image="postgres:16", on="c"),)),
            "db runs only on c, no longer listed in `servers`",
        ),
    ],
)
def test_what_ran_only_on_a_server_that_left_is_refused(
    planner: Callable[[OperationRequest, Author, Observed], Plan], before: Project, message: str
) -> None:
    """Before anything is changed, in a sentence."""
    today = replace(before, servers=before.servers[:2])
    found = seen(today, before)
    with pytest.raises(UsageError, match=message):
        planner(change_of(today), Author("me@here"), found)
