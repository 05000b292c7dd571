"""Notes on places for messages that only this machine reaches, and no server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.models.notification import SERVER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config.models.project import Project


def silent_event_notes(project: Project) -> Iterator[str]:
    """Yield a note for each place that gets all events but those of the server.

    None for one whose `events` say what it is for.
    """
    missed = [event for event in SERVER_EVENTS if event in _events(project)]
    for index, one in enumerate(project.notify):
        if not missed or one.events is not None or not one.is_here_alone:
            continue
        location = project.locations.nearest("notify", index)
        place = location.shown
        yield (
            f"{place}: notify: {one.scheme}:// is of this machine, and gets no {' and no '.join(missed)}, which the "
            "server sends by itself: write `events: [deploy, failure, rollback]`"
        )


def _events(project: Project) -> Iterator[str]:
    """Events of the server that can come about in a project."""
    if project.jobs or project.backups:
        yield "job_failure"
    if project.proxy.tls not in ("internal", "off") and any(service.routes for service in project.services):
        yield "certificate"
