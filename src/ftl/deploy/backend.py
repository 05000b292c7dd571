"""Backend: how plans are made and executed on one kind of server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.apply import standalone
from ftl.deploy.plan.planner import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.deploy.apply.runners import Runners
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.plan.planner import Inputs
    from ftl.deploy.request import DeployRequest


@dataclass(frozen=True, slots=True)
class Backend:
    """A planner, and the runners of the steps that it plans, for one kind of server.

    Attributes:
        plan: Request x inputs x observed server -> plan. Pure.
        runners: One for each step class that `plan` uses.
    """

    plan: Callable[[DeployRequest, Inputs, Observed], Plan]
    runners: Runners


STANDALONE = Backend(make_plan, standalone.RUNNERS)
"""Containers on one server, Swarm services on several; steps name their servers."""
