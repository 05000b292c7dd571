"""Step about the messages that the server sends by itself."""

from __future__ import annotations

from dataclasses import field

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import GivenServersStep


@dataclass(frozen=True, slots=True)
class SetNotifications(GivenServersStep):
    """Tell a server where it sends messages about jobs and certificates.

    Attributes:
        lines: As `ftl.host`'s notify.sh reads them, with secret URLs; empty: it sends nothing any more.
        certificates: Whether it checks certificates for that.
    """

    kind = "set_notifications"
    project: str
    lines: bytes = field(repr=False)
    certificates: bool = False

    @property
    def text(self) -> str:
        if not self.lines:
            return "disable the server's notifications"
        about = (
            "jobs that fail and certificates that are not renewed" if self.certificates else "jobs that fail"
        )
        return f"have the server notify about {about}"
