"""Start: the containers of the live release that were stopped.

The dependencies of a service start with it, as by `docker compose start`, and a note names them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.operations.changes.live import plan_live, running_project, select_units

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author


def plan_start(request: OperationRequest, by: Author, observed: Observed) -> Plan:
    """Plan to start the containers that were stopped, of dependencies too. Pure."""
    project = running_project(request, observed)
    services, named = select_units(request, project)
    dependencies = tuple(dependency.name for dependency in project.dependencies) if services else named
    plan = plan_live(replace(request, services=services), by, observed, project, dependencies=dependencies)
    also = [
        change.name
        for change in plan.changes
        if change.kind == "dependency" and change.action != "unchanged" and change.name not in named
    ]
    note = f"{', '.join(also)} did not run either: services need their dependencies, so this also starts them"
    return replace(plan, notes=(note, *plan.notes)) if also else plan
