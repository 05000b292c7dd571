"""Notifications: the section of ftl.yaml, and the events that they are about."""

from __future__ import annotations

import re
from dataclasses import field
from typing import Literal, get_args

from ftl.common.suggestions import closest_match
from ftl.config.models.field_types import IMAGE, ListOf, Scalar, Section, key, key_metadata
from ftl.config.values.scalars import InvalidValue
from ftl.config.values.webhooks import webhooks_of
from ftl.dataclass import dataclass

HereEvent = Literal["deploy", "failure", "rollback"]
"""Events of commands, which the machine of the command sends."""

ServerEvent = Literal["job_failure", "certificate"]
"""Events that come about on the server without a command; the server sends them."""

NotificationEvent = HereEvent | ServerEvent

HERE_EVENTS: tuple[HereEvent, ...] = get_args(HereEvent)
SERVER_EVENTS: tuple[ServerEvent, ...] = get_args(ServerEvent)
APPRISE_IMAGE = "caronc/apprise:latest"

HERE_ALONE = frozenset({"dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
"""Schemes of apprise that reach the machine that sends, and nothing else."""

NOT_FETCHED = "********"
"""In place of a secret's value where it is not fetched, as for `ftl validate`."""

EVENTS: tuple[NotificationEvent, ...] = (*HERE_EVENTS, *SERVER_EVENTS)


def _event(text: str) -> str:
    if text in EVENTS:
        return text
    match = closest_match(text, EVENTS)
    raise InvalidValue(f"is not one of {', '.join(EVENTS)}", f"did you mean {match}?" if match else None)


def _url(text: str) -> str:
    r"""A URL with a scheme; without `"` and `\`, which curl's configuration would have to escape."""
    if text == NOT_FETCHED:
        return text
    scheme, _, rest = text.partition("://")
    known = re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) and re.fullmatch(r"[^\s\"'\\]+", rest)
    if not known or not text.isprintable() or (scheme in ("http", "https") and not _is_reachable(text)):
        raise InvalidValue(
            "is not a URL",
            "write one like https://hooks.example.com/T0/B0, or one of apprise: tgram://TOKEN/CHAT",
        )
    if (
        scheme in ("http", "https") and not text.isascii()
    ):  # urllib refuses them, and curl sends them as they are
        raise InvalidValue(
            "has characters beyond ASCII", "write them as %C3%A4 in a path, as xn--... in a domain"
        )
    return text


def _is_reachable(text: str) -> bool:
    """Whether a URL has a host, and no port that there cannot be."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


EVENT = Scalar("event", _event, {"enum": list(EVENTS)})
NOTIFICATION_URL = Scalar(
    "URL", _url, {"type": "string", "pattern": "^[a-z][a-z0-9+.-]*://"}, confidential=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Section):
    """`notify[]:` a place that gets messages.

    A single value is the URL. It is a secret: all who know it can write there.
    """

    url: str = field(
        repr=False,
        metadata=key_metadata(
            NOTIFICATION_URL,
            "`https://` (or `http://`): a webhook, which gets a POST with JSON. Other schemes are those of apprise, "
            "with the extra `ftl-deploy[notify]`. Write `${NAME}`, not the URL itself.",
            sensitive=True,
        ),
    )
    events: tuple[NotificationEvent, ...] | None = key(
        ListOf(EVENT),
        "Events that it gets messages about: `deploy`, `failure`, `rollback`, and `job_failure` and `certificate`, "
        "which the server sends by itself.",
        None,
        default_text="all that its URL can get",
    )
    image: str = key(
        IMAGE,
        "An image with apprise and its Python, in which the server sends `job_failure` and `certificate`. Not for "
        "webhooks, nor for Slack, Discord, Telegram, ntfy and Mattermost: the server posts to these.",
        APPRISE_IMAGE,
    )

    @property
    def scheme(self) -> str:
        """Scheme of its URL."""
        return self.url.partition("://")[0]

    @property
    def is_webhook(self) -> bool:
        """Whether it gets plain POST requests."""
        return self.scheme in ("http", "https")

    @property
    def server_urls(self) -> tuple[str, ...]:
        """The webhooks to which a server posts messages; none where only apprise can send."""
        return (self.url,) if self.is_webhook else webhooks_of(self.url)

    @property
    def is_here_alone(self) -> bool:
        """Whether no server can send to it."""
        return self.scheme in HERE_ALONE

    def gets(self, event: NotificationEvent) -> bool:
        """Whether it gets messages about an event."""
        if event in SERVER_EVENTS and self.is_here_alone:
            return False
        return self.events is None or event in self.events
