"""Notifications: events that a URL cannot get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.models.notification import NOT_FETCHED, SERVER_EVENTS

if TYPE_CHECKING:
    from ftl.config.checks.context import Checks
    from ftl.config.yaml.marks import KeyPath


def notifications(checks: Checks) -> None:
    """A server sends to webhooks alone, and one of several servers does not send at all."""
    for index, notification in enumerate(checks.project.notify):
        path: KeyPath = ("notify", index, "events")
        if notification.events == () and not checks.is_given(*path, 0):
            checks.report(checks.mark(*path), "events is empty", "leave it out for all events")
        for number, event in enumerate(notification.events or ()):
            if event not in SERVER_EVENTS:
                continue
            mark = checks.mark(*path, number)
            if notification.url not in ("", NOT_FETCHED) and not notification.is_webhook:
                message = f"events: the server sends {event} by itself, and only to http:// and https:// URLs"
                checks.report(mark, message, "use the webhook of the service, or leave this event out")
            elif checks.project.is_cluster:
                message = f"events: {event} does not work with several servers yet"
                checks.report(mark, message, "leave it out; `ftl doctor` checks all servers")
