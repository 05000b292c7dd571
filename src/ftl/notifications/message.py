"""Messages about a project.

They have names, numbers and addresses in them, and nothing that a container printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.config.models.notification import HereEvent

MASK = "********"

SHORTEST = 8
"""Length from which values are masked: `main` or `8080` would mask other words."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message for people, with its fields for programs.

    Attributes:
        title: One line, with the project's name.
        server: The server as ftl.yaml names it.
        release: The release that is live; empty where it is not known.
    """

    event: HereEvent
    title: str
    body: str
    project: str
    server: str
    release: str = ""

    @property
    def text(self) -> str:
        """Title and body."""
        return f"{self.title}\n{self.body}" if self.body else self.title

    def fields(self) -> dict[str, str]:
        """JSON of a webhook: the text under the names that Slack and Discord read, and the fields."""
        return {
            "text": self.text,
            "content": self.text,
            "event": self.event,
            "project": self.project,
            "server": self.server,
            "release": self.release,
        }


def without(text: str, secrets: Iterable[str]) -> str:
    """Mask the values of secrets in a text, longer ones first."""
    for value in sorted({*secrets}, key=len, reverse=True):
        text = text.replace(value, MASK) if len(value) >= SHORTEST else text
    return text
