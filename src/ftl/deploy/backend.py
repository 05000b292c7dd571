"""Backend: how servers of one kind are observed and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.apply import docker
from ftl.deploy.observe.observer import DOCKER_OBSERVER, Observer
from ftl.deploy.plan.planner import make_plan
from ftl.deploy.plan.servers.step_servers import assign_servers
from ftl.host.fleet import open_fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.plan.planner import PlanInputs
    from ftl.deploy.request import PlanRequest
    from ftl.execution.runners import Runners


@dataclass(frozen=True, slots=True)
class Backend(Observer):
    """The functions by which commands change a project; each gets one, and knows no other.

    Attributes:
        plan: Request x inputs x observed servers -> plan of a deploy, a rollback or a change of the live release. Pure.
        assign: Plan x observed servers x servers of the project's cluster -> the same plan at its servers. Commands
            that name their steps themselves (stop, maintenance, remove, prune) get them in the backend's own terms, as
            do those by which any command ends a watch; what `plan` made stays as it is. Pure.
        runners: One for each step class that `plan` and `assign` use.
    """

    plan: Callable[[PlanRequest, PlanInputs, Observed], Plan]
    assign: Callable[[Plan, Observed, Sequence[ClusterServer]], Plan]
    runners: Runners[DeployContext]


DOCKER = Backend(open_fleet, DOCKER_OBSERVER.observe, make_plan, assign_servers, docker.RUNNERS)
"""Containers of the engine on one server, Swarm services on several.

`cli/address.py` chooses it.
"""
