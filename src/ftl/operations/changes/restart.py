"""Restart: new containers of the live release in place of those that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.operations.changes.live import plan_live, running_project

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.opening import OperationRequest
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author


def plan_restart(request: OperationRequest, by: Author, observed: Observed) -> Plan:
    """Plan new containers of the same release, image and settings, one after the other. Pure."""
    return plan_live(request, by, observed, running_project(request, observed), restart=True)
