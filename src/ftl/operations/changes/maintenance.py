"""Maintenance: a plan that has the proxy answer 503 for a project, or stop doing so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.config.models.server import WEB
from ftl.deploy.plan.model import Plan, Stage
from ftl.deploy.plan.steps.proxy import ApplySite
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest
    from ftl.deploy.request import Author
    from ftl.proxy.site import Maintenance


def plan_maintenance(maintenance: Maintenance | None) -> Callable[[OperationRequest, Author, Observed], Plan]:
    """Planner of the begin of maintenance, or with None of its end."""

    def plan(request: OperationRequest, _by: Author, observed: Observed) -> Plan:
        site = observed.site
        if site is None or not site.all_routes:
            raise UsageError(
                f"{observed.project} has no routes on {observed.server}: maintenance would change nothing",
                hint=f"{ftl('stop')} stops services without routes",
            )
        # With the routes of both releases while one is watched: the server may go back to those of the one before.
        stored = observed.proxy.site(observed.project) if observed.proxy is not None else None
        step = ApplySite(replace(stored or site, maintenance=maintenance))
        stages = (Stage("routes", ((step,),)),) if site.maintenance != maintenance else ()
        begins = maintenance is not None and bool(stages)
        notes = tuple(
            f"when {server.host} is back, it answers as before: for up to two minutes where its cron follows, and "
            f"until the next {ftl('deploy')} if it is not a manager, or its proxy serves a project that the others lack"
            for server in request.servers
            if begins and WEB in server.roles and server.host in observed.down
        )
        return Plan.without_release(observed, stages, notes=notes)

    return plan
