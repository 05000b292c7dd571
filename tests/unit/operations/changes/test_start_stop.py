"""Start and stop: containers of the live release, and dependencies only if they are named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.plan.steps.containers import RestartContainers
from ftl.errors import UsageError
from ftl.operations.changes.start import plan_start
from ftl.operations.changes.stop import plan_stop
from tests.unit.deploy.world import (
    actions,
    dependency,
    first,
    kinds,
    project,
)

from .live_release import ME, PAIR, REQUEST, both_live, live, replicas


def test_start_starts_what_was_stopped() -> None:
    """Containers that run are left alone."""
    asked = project()
    stopped = replicas(asked, 2, state="exited")
    made = plan_start(REQUEST, ME, live(asked, replace(stopped[0], state="running"), stopped[1]))
    again = first(made, RestartContainers)
    assert isinstance(again, RestartContainers)
    assert [ref.name for ref in again.containers] == ["shop-web-r1-2"]
    assert plan_start(REQUEST, ME, live(asked, *replicas(asked, 2))).empty


def test_a_start_names_the_dependencies_that_it_starts_too() -> None:
    """As `docker compose start` does; one that is named needs no note."""
    observed = both_live(PAIR, web="exited")
    (note,) = plan_start(replace(REQUEST, services=("web",)), ME, observed).notes
    assert note.startswith("postgres did not run either")
    assert plan_start(replace(REQUEST, services=("web", "postgres")), ME, observed).notes == ()


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
