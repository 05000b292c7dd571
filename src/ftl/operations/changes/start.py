"""Start: the containers of the live release that were stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.operations.changes.live import plan_live, running_project, select_units

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author
    from ftl.operations.changes.live import LiveRequest


def plan_start(request: LiveRequest, by: Author, observed: Observed) -> Plan:
    """Plan to start the containers that were stopped, of dependencies too. Pure."""
    project = running_project(request, observed)
    services, dependencies = select_units(request, project)
    if services:  # they need the dependencies
        dependencies = tuple(dependency.name for dependency in project.dependencies)
    return plan_live(replace(request, services=services), by, observed, project, dependencies=dependencies)
