"""A setup plan's steps, by kind or class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.server.setup.plan.planner import make_plan
from ftl.server.setup.request import SetupRequest
from tests.unit.server.setup.world import KEY

if TYPE_CHECKING:
    from ftl.server.setup.observe.state import ObservedServer
    from ftl.server.setup.plan import steps

REQUEST = SetupRequest(keys=(KEY,))


def kinds(observed: ObservedServer, options: SetupRequest = REQUEST) -> list[str]:
    """The kinds of a plan's steps."""
    return [step.kind for step in make_plan(options, observed, server="shop").steps]


def only_step(
    observed: ObservedServer, kind: type[steps.SetupStep], options: SetupRequest = REQUEST
) -> steps.SetupStep:
    """The plan's only step of a class."""
    (match,) = (step for step in make_plan(options, observed, server="shop").steps if isinstance(step, kind))
    return match
