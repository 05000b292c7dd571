"""Registries and notifications: listed once, complete, with the secrets they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.models.notification import APPRISE_IMAGE, SERVER_EVENTS

if TYPE_CHECKING:
    from ftl.config.checks.context import Checks
    from ftl.config.yaml.locations import KeyPath


def registries(checks: Checks) -> None:
    """Each registry is listed once, with one secret, and a password has its user."""
    taken: set[str] = set()
    for index, registry in enumerate(checks.project.registries):
        path: KeyPath = ("registries", index)
        if registry.server in taken:
            message = f"{registry.server} is listed twice"
            checks.report((*path, "server"), message, "keep one of the two")
        taken.add(registry.server)
        secrets = [name for name in ("password", "token", "command") if checks.is_given(*path, name)]
        if "password" in secrets and checks.is_missing(*path, "username"):
            message = "registries has a password but no username"
            checks.report((*path, "password"), message, "write `username`")
        if registry.username is not None and not secrets:
            message = "registries has a username but no secret"
            checks.report((*path, "username"), message, "write `password`, `token` or `command`")


def notifications(checks: Checks) -> None:
    """A server reaches no desktop and no log of this machine, and needs no image for a webhook."""
    for index, notification in enumerate(checks.project.notify):
        path: KeyPath = ("notify", index, "events")
        if notification.events == () and not checks.is_given(*path, 0):
            checks.report(path, "events is empty", "leave it out for all events")
        for number, event in enumerate(notification.events or ()):
            if event not in SERVER_EVENTS:
                continue
            if notification.is_here_alone:
                message = f"events: the server sends {event} by itself, and {notification.scheme}:// is of this machine"
                checks.report((*path, number), message, "leave this event out")
        if notification.server_urls and notification.image != APPRISE_IMAGE:
            message = "image: the server posts to the webhook of this URL, without apprise"
            checks.report(("notify", index, "image"), message, "leave it out")
