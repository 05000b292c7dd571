"""A watch that another operation ends: it says so, and nothing that was kept runs on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Route
from ftl.deploy.plan.leftovers import leftovers
from ftl.deploy.plan.model import Stage
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.containers import StopAndRemove
from ftl.deploy.plan.steps.jobs import JobSwitch, SwitchJobs
from ftl.deploy.plan.steps.proxy import ApplySite, Drain
from ftl.deploy.plan.tracks.ended_watch import with_ended_watch
from ftl.deploy.request import NewRelease, PlanRequest
from ftl.engine import labels
from ftl.operations.changes.maintenance import plan_maintenance
from ftl.operations.changes.remove import plan_remove
from ftl.operations.changes.restart import plan_restart
from ftl.operations.changes.scale import plan_scale
from ftl.operations.changes.stop import plan_stop
from ftl.proxy.site import Maintenance, SiteRoute, Transition
from ftl.releases.watch import ReleaseWatch
from tests.unit.deploy.world import container, images, project, server, service
from tests.unit.operations.changes.rollback.rollback_world import released

from .live_release import ME, REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author

PAIR = project(service(drain_timeout=9.0), service("api"), service("docs"))


def watching() -> Observed:
    """Web and api of r2 are live and watched, with their containers of r1; docs did not change."""
    names = [(name, release) for name in ("web", "api") for release in ("r1", "r2")]
    running = [one for name, release in (*names, ("docs", "r1")) for one in container(PAIR, name, release)]
    serving = {"web": "r2", "api": "r2", "docs": "r1"}
    observed = server(PAIR, *running, live=serving, releases=(released(PAIR, "r1"), released(PAIR, "r2")))
    watch = ReleaseWatch("r2", "r1", "me@here", observed.info.now + 100)
    return replace(observed, watches={"r2": watch})


def removed(plan: Plan) -> set[str]:
    """The containers that a plan removes."""
    steps = [step for step in plan.steps if isinstance(step, StopAndRemove)]
    names = [ref.name for step in steps for ref in step.containers]
    assert len(names) == len(set(names))
    return set(names)


KEPT = {"shop-web-r1", "shop-api-r1"}


@pytest.mark.parametrize(
    ("make", "name", "goes"),
    [
        (plan_scale({"web": 2}), "web", KEPT),
        (plan_restart, "web", {*KEPT, "shop-web-r2"}),
        (plan_stop, "web", KEPT),
    ],
    ids=["scale", "restart", "stop"],
)
def test_a_change_of_one_service_removes_what_was_kept_of_all(
    make: Callable[[OperationRequest, Author, Observed], Plan], name: str, goes: set[str]
) -> None:
    """With a note; the other service's old container finishes its requests, too."""
    observed = watching()
    plan = with_ended_watch(make(replace(REQUEST, services=(name,)), ME, observed), PAIR, observed)
    assert "this ends the watch of r2" in plan.notes[0]
    assert removed(plan) == goes
    assert "api" in {step.service for step in plan.steps if isinstance(step, Drain)}


def test_a_change_of_a_service_that_is_not_watched_leaves_the_watch() -> None:
    """The server goes on looking at the others."""
    observed = watching()
    plan = plan_stop(replace(REQUEST, services=("docs",)), ME, observed)
    assert with_ended_watch(plan, PAIR, observed) == plan


BEFORE = SiteRoute("shop.example.com", "/before", False, "web", 8000)


def with_both_routes() -> Observed:
    """The same where routes change with r2."""
    observed = watching()
    assert observed.proxy is not None
    assert observed.site is not None
    live = observed.live_alias("web") or ""
    site = replace(observed.site, transition=Transition("web", {"web": "r1"}, {"web": live}, (BEFORE,)))
    return replace(observed, proxy=replace(observed.proxy, sites={"shop": site}))


def test_a_deploy_that_drops_the_routes_of_before_ends_the_watch() -> None:
    """Without them the old containers must not get requests again; also where it has others of its own."""
    observed = with_both_routes()
    only = replace(
        PAIR, services=(*PAIR.services[:2], replace(PAIR.services[2], routes=(Route(path="/new"),)))
    )
    for content in ("sha256:one", "sha256:two"):
        inputs = PlanInputs(ME, images(only, content))
        made = make_plan(PlanRequest(only, ("docs",), NewRelease()), inputs, observed)
        plan = with_ended_watch(made, only, observed)
        assert "this ends the watch of r2" in plan.notes[0]
        assert removed(plan) >= KEPT


def test_a_later_change_of_jobs_ends_the_watch() -> None:
    """The server would write the crontab of before over its lines."""
    observed = watching()
    step = SwitchJobs((JobSwitch("shop.job.docs", "shop.job.docs.new-r3"),))
    made = plan_stop(replace(REQUEST, services=("docs",)), ME, observed)
    made = replace(made, stages=(Stage("jobs", ((step,),)),))
    assert removed(with_ended_watch(made, PAIR, observed)) == KEPT


def test_maintenance_leaves_the_watch_and_the_routes_of_before() -> None:
    """The server may still go back to them."""
    observed = with_both_routes()
    made = plan_maintenance(Maintenance("soon"))(REQUEST, ME, observed)
    assert with_ended_watch(made, PAIR, observed) == made
    (step,) = made.steps
    assert isinstance(step, ApplySite)
    assert step.site.transition is not None
    assert step.site.transition.routes == (BEFORE,)


def deployed_docs() -> Observed:
    """The same after a deploy of docs alone, which is not watched."""
    before = watching()
    running = [one for one in before.services if one.labels[labels.SERVICE] != "docs"]
    records = (*before.releases, released(PAIR, "r3"))
    live = {"web": "r2", "api": "r2", "docs": "r3"}
    after = server(PAIR, *running, *container(PAIR, "docs", "r3"), live=live, releases=records)
    return replace(after, watches=before.watches)


def test_a_watch_goes_on_when_a_later_release_serves_another_service() -> None:
    """What it keeps is not pruned, and what ends it says so."""
    observed = deployed_docs()
    assert observed.live_number == 3
    assert leftovers(observed, (), keep=5).containers == ()
    plan = with_ended_watch(plan_scale({"web": 2})(REQUEST, ME, observed), PAIR, observed)
    assert "this ends the watch of r2" in plan.notes[0]
    assert removed(plan) == KEPT


def test_the_removal_of_a_project_says_nothing_of_its_watch() -> None:
    """Nothing is left to switch back."""
    observed = watching()
    plan = plan_remove(observed, volumes=False)
    assert with_ended_watch(plan, PAIR, observed) == plan


@pytest.mark.parametrize("change", [{"outcome": "passed"}, {"until": 1.0}], ids=["ended", "interrupted"])
def test_a_watch_that_has_ended_is_none(change: dict[str, object]) -> None:
    """Nothing is said of it."""
    observed = watching()
    (watch,) = observed.watches.values()
    observed = replace(observed, watches={"r2": replace(watch, **change)})  # type: ignore[arg-type]
    plan = plan_stop(replace(REQUEST, services=("web",)), ME, observed)
    assert with_ended_watch(plan, PAIR, observed) == plan
