"""Scale: other numbers of containers of the live release, until the next deploy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.common.suggestions import select_names
from ftl.config.values.scalars import InvalidValue, count
from ftl.deploy.plan.records.recorded import live_project
from ftl.errors import UsageError
from ftl.operations.changes.live import plan_live, refuse_dependencies, with_replicas

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author

_SHOWN = 60
"""Characters of a wrong word that its error has."""

_HINT = f"write {ftl('scale web=3')}"


def plan_scale(numbers: Mapping[str, int]) -> Callable[[OperationRequest, Author, Observed], Plan]:
    """Planner of other numbers of replicas: service -> number."""

    def plan(request: OperationRequest, by: Author, observed: Observed) -> Plan:
        project = live_project(observed, request.server)[1]
        _refuse_several(project, numbers)
        return plan_live(
            replace(request, services=tuple(numbers)), by, observed, with_replicas(project, numbers)
        )

    return plan


def _refuse_several(project: Project, numbers: Mapping[str, int]) -> None:
    """Refuse several containers of a service that publishes ports of the server, or never runs twice."""
    refuse_dependencies(
        project, tuple(numbers), lambda _: "a dependency has one container: two would share its data"
    )
    select_names(tuple(numbers), [service.name for service in project.services], kind="service")
    for service in project.services:
        if service.forwards and numbers.get(service.name, 1) > 1:
            raise UsageError(
                f"{service.name} cannot have several containers: it publishes {', '.join(service.forwards)}",
                hint="only one container can have a port of the server: remove `forwards`",
            )
        if service.recreate and numbers.get(service.name, 1) > max(1, service.replicas):
            raise UsageError(
                f"{service.name} cannot have several containers: it has `recreate: true`, so it never runs twice",
                hint="remove `recreate` if they may use their data at the same time",
            )


def parse_numbers(words: Sequence[str]) -> dict[str, int]:
    """Parse SERVICE=N.

    Raises:
        UsageError: A word is not of that form, or `replicas` of ftl.yaml could not be N.
    """
    numbers: dict[str, int] = {}
    for word in words:
        name, equals, text = word.partition("=")
        shown = word if len(word) <= _SHOWN else f"{word[:_SHOWN]}..."
        if not (name and equals and text):
            raise UsageError(f"`{shown}` is not a number of replicas", hint=_HINT)
        if not text.strip("0"):
            raise UsageError(
                f"`{shown}`: a service has at least one container", hint=f"{ftl(f'stop {name}')} stops it"
            )
        try:
            numbers[name] = count(text)
        except InvalidValue as error:
            raise UsageError(f"`{shown}`: the number of replicas {error.message}", hint=_HINT) from None
    return numbers
