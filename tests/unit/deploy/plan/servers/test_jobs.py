"""Jobs on several servers: the first has them, also after another one has become the first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Job, Project
from ftl.config.models.server import ClusterServer
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.jobs import (
    CreateJob,
    DeleteRunHistory,
    RemoveJobs,
    SetJobless,
    SwitchJobs,
    WriteCrontab,
)
from ftl.deploy.plan.tracks.jobs import stop_track
from ftl.deploy.request import Author, PlanRequest
from ftl.engine import labels
from ftl.engine.values import Container
from ftl.errors import UsageError
from ftl.operations.changes.remove import plan_remove
from tests.unit.deploy.cluster import cluster, observed, tasks_of, where
from tests.unit.deploy.world import first, images, plan, service

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan

NIGHTLY = Job(name="nightly", service="web", command="cleanup --all", schedule="15 3 * * *", timeout=1800.0)
HOURLY = replace(NIGHTLY, name="hourly", service="api")


def asked_on(*hosts: str, jobs: tuple[Job, ...] = (NIGHTLY,)) -> Project:
    """The project on servers in this order."""
    others = (service("api", port=9000),) if HOURLY in jobs else ()
    asked = cluster(service(), *others, jobs=jobs)
    return replace(asked, servers=tuple(ClusterServer(host=host) for host in hosts))


def deployed(
    asked: Project, *on: str, state: str = "created", jobs: tuple[Job, ...] = (NIGHTLY,)
) -> Observed:
    """The project at r1, with the containers of jobs on these servers."""
    web = asked_on("a", "b", jobs=jobs)
    steps = [step for step in plan(web, observed(web)).steps if isinstance(step, CreateJob)]
    made = [
        Container(
            f"{step.job}-{host}",
            f"shop.job.{step.job}",
            "shop-web:r1",
            "sha256:x",
            {**step.spec.labels, labels.RELEASE: "r1"},
            state,  # type: ignore[arg-type]
            "",
            0,
        )
        for step in steps
        for host in on
    ]
    there = {host: tuple(one for one in made if one.id.endswith(f"-{host}")) for host in on}
    return observed(asked, *tasks_of(asked, "r1"), live="r1", on=there)


def written(seen: Observed, asked: Project, *services: str) -> dict[str, list[str]]:
    """Server -> containers that its crontab starts at the end of a deploy, where it is written."""
    request = PlanRequest(asked, services=services)
    found = make_plan(request, PlanInputs(Author("me@here"), images(asked)), seen)
    return {
        step.servers[0]: [line.container for line in step.lines]
        for step in found.steps
        if isinstance(step, WriteCrontab)
    }


def test_a_job_moves_with_the_first_server() -> None:
    """Two servers would start it. The new one has it before the old one loses it."""
    asked = asked_on("b", "a")
    seen = deployed(asked, "a")
    found = plan(asked, seen)
    assert where(found, CreateJob) == [("b",)]
    assert written(seen, asked) == {"b": ["shop.job.nightly"], "a": []}
    assert [step.servers for step in found.steps if isinstance(step, SwitchJobs)] == [("b",)]
    (remove,) = (step for step in found.steps if isinstance(step, RemoveJobs))
    assert ([one.id for one in remove.containers], remove.servers) == (["nightly-a"], ("a",))
    order = [(step.kind, *step.servers) for step in found.steps]
    assert order.index(("switch_jobs", "b")) < order.index(("write_crontab", "a"))


@pytest.mark.parametrize("state", ["created", "running"])
def test_a_server_that_was_away_then_loses_it_later(state: str) -> None:
    """Without a release; a run that lasts goes on, and its container is asked for again."""
    asked = asked_on("b", "a")
    found = plan(asked, deployed(asked, "a", "b", state=state))
    assert where(found, WriteCrontab) == [("a",)]
    assert where(found, RemoveJobs) == [("a",)]
    assert where(found, CreateJob) == []
    assert where(plan(asked, deployed(asked, "b", state=state)), WriteCrontab) == []


def test_a_deploy_of_one_service_moves_its_jobs_alone() -> None:
    """Cron goes on starting those of the others where they are."""
    asked = asked_on("b", "a", jobs=(NIGHTLY, HOURLY))
    seen = deployed(asked, "a", jobs=(NIGHTLY, HOURLY))
    assert written(seen, asked, "web") == {"b": ["shop.job.nightly"], "a": ["shop.job.hourly"]}


def was_first(seen: Observed, server: str) -> Observed:
    """A server that does not answer had the jobs of the live release."""
    records = tuple(replace(one, project={"servers": [{"host": server}]}) for one in seen.releases)
    return replace(seen, releases=records, down=(server,), unseen=(server, "d"))


def jobless(found: Plan) -> list[tuple[str, bool]]:
    """Servers that lose or get their jobs back by a plan."""
    return [(step.server, step.value) for step in found.steps if isinstance(step, SetJobless)]


def test_a_first_server_that_is_down_loses_its_jobs() -> None:
    """It would start them beside the new one when it comes back; once the others are switched, and once."""
    asked = asked_on("b", "a")
    seen = was_first(observed(asked, *tasks_of(asked, "r1"), live="r1", down=("a",)), "a")
    found = plan(asked, seen)
    assert jobless(found) == [("a", True)]
    kinds = [step.kind for step in found.steps]
    assert kinds.index("switch_jobs") < kinds.index("set_jobless")
    assert jobless(plan(asked, replace(seen, jobless=frozenset("a")))) == []
    assert jobless(plan(asked, seen, only=("web",))) == []
    first_again = asked_on("a", "b")
    up = was_first(observed(first_again, *tasks_of(asked, "r1"), live="r1"), "b")
    assert jobless(plan(first_again, replace(up, down=(), unseen=()))) == []


def test_a_server_that_is_the_first_again_gets_its_jobs_back() -> None:
    """Before its crontab is written; a deploy of some services would leave the others' in two places."""
    asked = asked_on("a", "b")
    seen = replace(deployed(asked, "b"), jobless=frozenset("a"))
    found = plan(asked, seen)
    assert jobless(found) == [("a", False)]
    kinds = [step.kind for step in found.steps]
    assert kinds.index("set_jobless") < kinds.index("write_crontab")
    with pytest.raises(UsageError, match="a has lost its jobs to another server"):
        plan(asked, seen, only=("web",))


def test_a_stopped_service_s_jobs_are_stopped_wherever_they_are() -> None:
    """Nothing was deployed since another server became the first."""
    seen = deployed(asked_on("b", "a"), "a", state="running")
    assert [(step.kind, step.servers) for step in stop_track(seen, ("web",))] == [
        ("switch_jobs", ("a",)),
        ("write_crontab", ("a",)),
        ("stop", ()),
    ]


def test_a_removal_ends_jobs_and_forgets_runs_on_each_server() -> None:
    """Those of the first server of now, and of one before."""
    seen = deployed(asked_on("b", "a"), "a")
    views = tuple(
        replace(view, jobs={"a": ("nightly",), "b": ("old",)}.get(view.name, ())) for view in seen.views
    )
    found = plan_remove(replace(seen, views=views), volumes=False)
    crontab = first(found, WriteCrontab)
    assert isinstance(crontab, WriteCrontab)
    assert (crontab.servers, crontab.removed) == (("a",), ("nightly",))
    forgotten = [(step.servers, step.jobs) for step in found.steps if isinstance(step, DeleteRunHistory)]
    assert forgotten == [(("b",), ("old",)), (("a",), ("nightly",))]
