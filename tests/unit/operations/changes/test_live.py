"""Changes of the live release: what restart, scale, start and stop have in common."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Dependency
from ftl.errors import UsageError
from ftl.operations.changes.restart import plan_restart
from ftl.operations.changes.scale import plan_scale
from ftl.operations.changes.start import plan_start
from ftl.operations.changes.stop import plan_stop
from tests.unit.deploy.world import (
    dependency,
    kinds,
    project,
    server,
    service,
)

from .live_release import ME, PAIR, REQUEST, both_live, live, replicas, scaled


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


def test_a_dependency_is_named_as_one_where_only_services_are_changed() -> None:
    """It exists: "there is no such service" would be looked for in ftl.yaml."""
    asked = project(dependencies=(Dependency(name="postgres", image="postgres:16"),))
    observed = live(asked, *replicas(asked, 2), dependency(asked, "postgres"))
    with pytest.raises(UsageError, match="`postgres` is a dependency") as refused:
        plan_restart(replace(REQUEST, services=("postgres",)), ME, observed)
    assert "stop postgres" in (refused.value.hint or "")
    with pytest.raises(UsageError, match="`postgres` is a dependency"):
        plan_scale({"postgres": 2})(REQUEST, ME, observed)
