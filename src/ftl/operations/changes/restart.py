"""Restart: new containers of the live release in place of those that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.plan.records.recorded import live_project
from ftl.operations.changes.live import plan_live, refuse_dependencies, running_project

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author


def plan_restart(request: OperationRequest, by: Author, observed: Observed) -> Plan:
    """Plan new containers of the same release, image and settings, one after the other. Pure."""
    _, project = live_project(observed, request.server)
    refuse_dependencies(
        project,
        request.services,
        lambda name: (
            f"{ftl(f'stop {name}')} and {ftl(f'start {name}')} restart it; services cannot reach it meanwhile"
        ),
    )
    return plan_live(request, by, observed, running_project(request, observed), restart=True)
