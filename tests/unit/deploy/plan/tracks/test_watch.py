"""Plans of a deploy with --watch: old containers stay, the watch begins before the switch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency, Job, Route
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import StopContainers
from ftl.deploy.plan.steps.jobs import CreateJob
from ftl.deploy.plan.steps.watch import WatchedJob, WatchedService, WatchRelease
from ftl.deploy.request import Author, NewRelease, PlanRequest
from ftl.engine import labels
from ftl.engine.values import Container
from ftl.errors import UsageError
from ftl.proxy.names import release_alias
from tests.unit.deploy.world import container, first, images, kinds, project, record, server, service

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan

WEB = service(stop_timeout=4.0, drain_timeout=9.0)
WORKER = service("worker", port=None, routes=())


def deployed(asked: Project) -> Observed:
    """A server on which r1 of the project is live."""
    running = tuple(one for each in asked.services for one in container(asked, each.name, "r1"))
    live = {each.name: "r1" for each in asked.services}
    return server(asked, *running, live=live, releases=(record("r1", **live),))


def watched(asked: Project, observed: Observed) -> Plan:
    """The plan of a deploy of new images with --watch 1m."""
    request = PlanRequest(asked, purpose=NewRelease(watch=60.0))
    return make_plan(request, PlanInputs(Author("me@here"), images(asked, "sha256:two")), observed)


def test_old_containers_stay_and_the_watch_begins_before_the_switch() -> None:
    """A worker's old containers are stopped and kept; nothing of the release before is removed."""
    asked = project(WEB, WORKER)
    made = watched(asked, deployed(asked))
    names = kinds(made)
    assert names.index("WaitHealthy") < names.index("WatchRelease") < names.index("Switch")
    assert not {"StopAndRemove", "Drain", "DropTags"} & set(names)
    stop = first(made, StopContainers)
    assert isinstance(stop, StopContainers)
    assert [one.name for one in stop.containers] == ["shop-worker-r1"]
    step = first(made, WatchRelease)
    assert isinstance(step, WatchRelease)
    assert (step.release, step.before, step.seconds, step.drain) == ("r2", "r1", 60.0, 30.0)
    assert step.services[0] == WatchedService(
        "web",
        release_alias("shop", "web", "r1"),
        release_alias("shop", "web", "r2"),
        (ContainerRef("id-shop-web-r1", "shop-web-r1"),),
        ("shop-web-r2",),
    )
    assert step.services[1].idle
    assert step.services[1].new_alias == release_alias("shop", "worker", "r2")


def test_the_deploy_after_a_watch_removes_what_it_left() -> None:
    """Without --watch, old containers are leftovers that finish their requests; the watch ends with them."""
    asked = project(WEB)
    observed = server(
        asked,
        *container(asked, "web", "r1"),
        *container(asked, "web", "r2"),
        live={"web": "r2"},
        releases=(record("r1", web="r1"), record("r2", web="r2")),
    )
    made = make_plan(PlanRequest(asked), PlanInputs(Author("me@here"), images(asked)), observed)
    assert kinds(made) == ["Drain", "StopAndRemove"]


def test_a_first_deploy_has_nothing_to_go_back_to() -> None:
    """It goes on, and a note says that nothing is watched."""
    asked = project(WEB)
    made = watched(asked, server(asked, ready=False))
    assert "WatchRelease" not in kinds(made)
    assert made.notes[0] == "the release is not watched: nothing was live before"


JOB = Job(name="nightly", service="web", command="true", schedule="0 3 * * *")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (project(replace(WEB, recreate=True)), "stops its old containers first"),
        (project(WEB, service("api")), "api is new"),
        (project(replace(WEB, routes=(Route(path="/shop"),))), "routes change"),
        (project(WEB, dependencies=(Dependency(name="redis", image="redis:7"),)), "redis is created"),
        (project(WEB, jobs=(JOB,)), "the job nightly is new"),
    ],
    ids=["recreate", "new", "routes", "dependency", "job"],
)
def test_what_the_server_could_not_take_back_is_refused(asked: Project, reason: str) -> None:
    """More than containers changes: the deploy says so, and touches nothing."""
    with pytest.raises(UsageError, match=reason):
        watched(asked, deployed(project(WEB)))


def test_a_project_without_requests_is_refused() -> None:
    """The proxy sees nothing of a worker."""
    asked = project(WORKER)
    with pytest.raises(UsageError, match="gets requests through the proxy"):
        watched(asked, deployed(asked))


def test_a_job_gets_its_old_container_back() -> None:
    """With the same schedule its new container is renamed at the switch, and the old one stays for the way back."""
    asked = project(WEB, jobs=(JOB,))
    before = deployed(asked)
    made = make_plan(PlanRequest(asked), PlanInputs(Author("me@here"), images(asked)), before)
    create = first(made, CreateJob)
    assert isinstance(create, CreateJob)
    label_map = {**create.spec.labels, labels.CONTENT: "sha256:one", labels.RELEASE: "r1"}
    old = Container("id-job", "shop.job.nightly", "shop-web:r1", "sha256:x", label_map, "exited", "", 0)
    made = watched(asked, replace(before, containers=(*before.containers, old)))
    step = first(made, WatchRelease)
    assert isinstance(step, WatchRelease)
    assert step.jobs == (
        WatchedJob("shop.job.nightly", "shop.job.nightly.new-r2", ContainerRef("id-job", old.name)),
    )
    assert "RemoveJobs" not in kinds(made)
