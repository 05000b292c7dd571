"""Restart: what cannot be replaced one after the other."""

from __future__ import annotations

from ftl.deploy.plan.steps.containers import StartContainers
from ftl.operations.changes.restart import plan_restart
from tests.unit.deploy.world import first, kinds, project, service
from tests.unit.operations.changes.test_live import ME, REQUEST, live, replicas


def test_a_restart_replaces_together_what_has_no_aliases_for_turns() -> None:
    """Containers of FTL 0.1.0, and those of a service that stops first."""
    asked = project()
    old = plan_restart(REQUEST, ME, live(asked, *replicas(asked, 3, old=True)))
    start = first(old, StartContainers)
    assert isinstance(start, StartContainers)
    assert (kinds(old).count("StartContainers"), len(start.containers)) == (1, 3)
    alone = project(service(recreate=True))
    stops = plan_restart(REQUEST, ME, live(alone, *replicas(alone, 2)))
    assert kinds(stops)[:2] == ["StopOld", "StartContainers"]
