"""Which services or dependencies of a project a command was called for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.read.hints import nearest
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.config.models.project import Project, Service


def select_names(given: Sequence[str], known: Sequence[str], *, kind: str) -> tuple[str, ...]:
    """The given names in the project's order, each once; all of them when none is given.

    Args:
        given: What the user wrote.
        known: What there is.
        kind: What messages call one of them ("service").

    Raises:
        UsageError: One is unknown; suggests what was probably meant.
    """
    for name in given:
        if name not in known:
            near = nearest(name, known)
            has = f"the project has {', '.join(known)}" if known else f"the project has no {kind}"
            raise UsageError(f"there is no {kind} `{name}`", hint=f"did you mean `{near}`?" if near else has)
    return tuple(name for name in known if name in given or not given)


def select_services(project: Project, given: Sequence[str]) -> tuple[Service, ...]:
    """The services of these names; all of them when none is given. Raises UsageError as `select_names`."""
    meant = select_names(given, [service.name for service in project.services], kind="service")
    return tuple(service for service in project.services if service.name in meant)
