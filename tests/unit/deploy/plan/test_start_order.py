"""The order of services that start for the first time, and when their names answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.models.project import Route
from ftl.deploy.plan.steps.containers import RestartContainers, StartContainers
from ftl.deploy.plan.steps.proxy import ApplySite, PublishName, Switch
from tests.unit.deploy.world import container, plan, project, server, service

if TYPE_CHECKING:
    from ftl.deploy.plan.model import Plan


def started(found: Plan) -> list[set[str]]:
    """Services that start together, in turn."""
    groups = [
        {step.service for track in stage.tracks for step in track if isinstance(step, StartContainers)}
        for stage in found.stages
    ]
    return [group for group in groups if group]


def named(found: Plan) -> list[str]:
    """Services whose names answer before the switch."""
    return [step.service for step in found.steps if isinstance(step, PublishName)]


CHAIN = project(
    service("web", depends_on=("api",)),
    service("api", depends_on=("auth",)),
    service("auth", routes=()),
    service("other", routes=()),
)


def test_a_service_starts_after_those_that_it_depends_on() -> None:
    """On a first deploy; names answer once they are needed, also of services with routes."""
    found = plan(CHAIN, server(CHAIN, ready=False))
    assert started(found) == [{"auth", "other"}, {"api"}, {"web"}]
    assert named(found) == ["auth", "other", "api"]


def test_nobody_waits_for_a_service_that_runs() -> None:
    """Its live release answers throughout: all of them start side by side."""
    running = [one for name in ("web", "api", "auth", "other") for one in container(CHAIN, name, "r1")]
    live = dict.fromkeys(("web", "api", "auth", "other"), "r1")
    found = plan(CHAIN, server(CHAIN, *running, live=live), "sha256:two")
    assert started(found) == [{"web", "api", "auth", "other"}]
    assert named(found) == []


def test_stopped_services_start_again_in_order() -> None:
    """After somebody stopped all of them."""
    stopped = [
        one
        for name in ("web", "api", "auth", "other")
        for one in container(CHAIN, name, "r1", state="exited")
    ]
    live = dict.fromkeys(("web", "api", "auth", "other"), "r1")
    found = plan(CHAIN, server(CHAIN, *stopped, live=live))
    again = [step.service for step in found.steps if isinstance(step, RestartContainers)]
    assert again.index("auth") < again.index("api") < again.index("web")


def test_a_name_that_answers_early_does_not_switch_the_routes() -> None:
    """Two new services with routes: the live file of the one that nobody depends on decides, and is written last."""
    before = project(service("web"))
    new = [service("api", routes=(Route(path="/a"),), depends_on=("zoo",)), service("zoo")]
    asked = replace(before, services=(*before.services, *new))
    found = plan(asked, server(before, *container(before, "web", "r1"), live={"web": "r1"}))
    assert named(found) == ["zoo"]
    transitions = [step.site.transition for step in found.steps if isinstance(step, ApplySite)]
    assert [one.service for one in transitions if one is not None] == ["api"]
    switch = next(step for step in found.steps if isinstance(step, Switch))
    assert list(switch.aliases) == ["zoo", "api"]


def test_a_single_new_service_does_not_switch_the_routes_before_it_is_decided() -> None:
    """It has no routes itself, but those of another change with it."""
    before = project(service("web"))
    asked = project(service("web", routes=(Route(path="/new"),)), service("api", routes=()))
    found = plan(asked, server(before, *container(before, "web", "r1"), live={"web": "r1"}))
    assert named(found) == []
