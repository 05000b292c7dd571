"""Plans of a deploy with --watch: old containers stay, the watch begins before the switch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.notification import Notification
from ftl.config.models.project import Dependency, Job, Route, Service
from ftl.config.models.proxy import Proxy
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import StopContainers
from ftl.deploy.plan.steps.jobs import CreateJob
from ftl.deploy.plan.steps.proxy import ApplySite
from ftl.deploy.plan.steps.watch import WatchedJob, WatchedService, WatchRelease
from ftl.deploy.request import Author, NewRelease, PlanRequest
from ftl.engine import labels
from ftl.engine.values import Container
from ftl.errors import UsageError
from ftl.proxy.names import release_alias
from tests.unit.deploy.world import (
    container,
    dependency,
    first,
    images,
    kinds,
    project,
    record,
    server,
    service,
)

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
        (
            project(WEB, dependencies=(Dependency(name="redis", image="redis:8"),)),
            "redis is replaced, and the previous release needs it as it was",
        ),
        (
            project(WEB, proxy=Proxy(trusted_proxies=("10.0.0.0/8",))),
            r"settings of the proxy change \(trusted\)",
        ),
    ],
    ids=["recreate", "new", "dependency", "settings"],
)
def test_what_the_server_could_not_take_back_is_refused(asked: Project, reason: str) -> None:
    """More than containers, routes and jobs changes: the deploy says so, and touches nothing."""
    before = project(WEB, dependencies=(Dependency(name="redis", image="redis:7"),))
    observed = deployed(before if asked.dependencies else project(WEB))
    redis = (dependency(before, "redis"),) if asked.dependencies else ()
    observed = replace(observed, containers=(*observed.containers, *redis))
    with pytest.raises(UsageError, match=reason):
        watched(asked, observed)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (service("api"), service("api", port=None, routes=())),
        (service("api", port=None, routes=()), service("api")),
    ],
    ids=["lost", "new"],
)
def test_a_service_that_is_reached_in_another_way_is_refused(before: Service, after: Service) -> None:
    """The script would treat its old containers as those of the new kind."""
    with pytest.raises(UsageError, match="api is reached in another way"):
        watched(project(WEB, after), deployed(project(WEB, before)))


def test_messages_about_other_hosts_are_refused() -> None:
    """The script does not take back what the server is told: it would look for a certificate that nothing renews."""
    hook = (Notification(url="https://hooks.example.com/x"),)
    asked = project(replace(WEB, routes=(Route(path="/", host="new.example.com"),)), notify=hook)
    before = deployed(project(WEB, notify=hook))
    told = b"server host\nhost shop.example.com\n"
    with pytest.raises(UsageError, match="what the server sends messages about changes"):
        watched(asked, replace(before, notify=told))
    assert "WatchRelease" in kinds(watched(replace(asked, notify=()), before))


def test_a_dependency_that_is_added_stays() -> None:
    """The release before does not know of it."""
    made = watched(
        project(WEB, dependencies=(Dependency(name="redis", image="redis:7"),)), deployed(project(WEB))
    )
    assert {"WatchRelease", "StartDependency"} <= set(kinds(made))


def test_the_proxy_has_the_routes_of_both_releases_during_a_watch() -> None:
    """The live files choose; which routes stay is decided by the server at the end."""
    asked = project(replace(WEB, routes=(Route(path="/shop"),)))
    before = deployed(project(WEB))
    made = watched(asked, before)
    (apply,) = [step for step in made.steps if isinstance(step, ApplySite)]
    assert apply.site.transition is not None
    assert apply.site.before_switch() == before.site
    step = first(made, WatchRelease)
    assert isinstance(step, WatchRelease)
    assert step.routes is not None
    assert step.routes.before == before.site
    assert step.routes.after == replace(apply.site, transition=None)
    assert step.crontab is None
    same = first(watched(project(WEB), before), WatchRelease)
    assert isinstance(same, WatchRelease)
    assert same.routes is None


def test_a_project_without_requests_is_refused() -> None:
    """The proxy sees nothing of a worker."""
    asked = project(WORKER)
    with pytest.raises(UsageError, match="gets requests through the proxy"):
        watched(asked, deployed(asked))


OLD = ContainerRef("id-job", "shop.job.nightly")
FRESH = "shop.job.nightly.new-r2"
LATER = replace(JOB, schedule="0 4 * * *")


@pytest.mark.parametrize(
    ("before", "after", "watched_jobs", "lines"),
    [
        ((JOB,), (JOB,), (WatchedJob(FRESH, OLD),), None),
        ((JOB,), (LATER,), (WatchedJob(FRESH, OLD),), ("0 3 * * *",)),
        ((), (JOB,), (WatchedJob(FRESH, None),), ()),
        ((JOB,), (), (WatchedJob("", OLD),), ("0 3 * * *",)),
    ],
    ids=["same", "later", "new", "removed"],
)
def test_jobs_get_back_their_old_containers_and_their_lines(
    before: tuple[Job, ...],
    after: tuple[Job, ...],
    watched_jobs: tuple[WatchedJob, ...],
    lines: tuple[str, ...] | None,
) -> None:
    """Old containers stay for the way back; where the crontab changes, its lines of before are known."""
    earlier = project(WEB, jobs=before)
    observed = deployed(earlier)
    if before:
        made = make_plan(PlanRequest(earlier), PlanInputs(Author("me@here"), images(earlier)), observed)
        create = first(made, CreateJob)
        assert isinstance(create, CreateJob)
        label_map = {**create.spec.labels, labels.CONTENT: "sha256:one", labels.RELEASE: "r1"}
        old = Container(OLD.id, OLD.name, "shop-web:r1", "sha256:x", label_map, "exited", "", 0)
        observed = replace(observed, containers=(*observed.containers, old))
    made = watched(project(WEB, jobs=after), observed)
    step = first(made, WatchRelease)
    assert isinstance(step, WatchRelease)
    assert step.jobs == watched_jobs
    assert (None if step.crontab is None else tuple(line.schedule for line in step.crontab)) == lines
    assert "RemoveJobs" not in kinds(made)
