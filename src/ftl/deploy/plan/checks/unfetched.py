"""Secrets that a deploy of single services has not fetched: what needs them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.plan.changes import dependency_change
from ftl.deploy.plan.jobs import is_left_alone
from ftl.errors import UsageError

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.request import PlanRequest


def without_secrets(request: PlanRequest, observed: Observed) -> tuple[str, ...]:
    """Dependencies whose secrets are needed and were not fetched.

    One that goes on as it is needs none: what is recorded of it is recorded again.
    """
    project = request.project
    if not request.services or request.purpose.from_record or not project.unfetched:
        return ()
    changes = (
        dependency_change(project, dependency, observed, keep=True)
        for dependency in project.dependencies
        if dependency.name in project.unfetched
    )
    return tuple(change.name for change in changes if not is_left_alone(observed, change))


def refuse_without_secrets(diff: Diff) -> None:
    """Refuse to start a dependency without its secrets: it was running when they were fetched.

    Raises:
        UsageError: There is such a dependency.
    """
    names = without_secrets(diff.request, diff.observed)
    if names:
        raise UsageError(
            f"{', '.join(names)} stopped or was removed while this waited, and its secrets were not fetched",
            hint="run the same command again",
        )
