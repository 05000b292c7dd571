"""Context of the cross-field checks: the project, the places of its values, the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.variables.interpolation import unresolved_parts
from ftl.config.yaml.locations import Locations
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.config.models.project import Project, Service
    from ftl.config.read.reader import Reader
    from ftl.config.yaml.locations import KeyPath, Location


@dataclass(frozen=True, slots=True)
class Checks:
    """A project that is checked: its values, their places, and the report of problems."""

    project: Project
    reader: Reader

    def location(self, *path: str | int) -> Location:
        """The place of a value, or of the nearest section around it that the files give."""
        return Locations(self.reader.locations).nearest(*path)

    def is_given(self, *path: str | int) -> bool:
        """Whether the files give a value."""
        return path in self.reader.locations

    def is_missing(self, *path: str | int) -> bool:
        """Whether a section that the files give has nothing under a key."""
        return path[:-1] in self.reader.sections and path not in self.reader.locations

    def secrets_in(self, *path: str | int) -> tuple[str, ...]:
        """Names of the secrets whose values are in a text."""
        return unresolved_parts(self.reader.unresolved.get(path, ""))[1::2]

    def removal(self, name: str, user: str, location: Location) -> str | None:
        """The hint about a `user` of a name that the overlay removes; None where it removes no such."""
        removed = self.reader.removed.get(name)
        if removed is None:
            return None
        return f"{removed.seen_from(location)} removes {name}: keep it there, or change {user} there, too"

    def report(self, place: Location | KeyPath, message: str, hint: str | None = None) -> None:
        """Report a problem at a place, or at that of a value."""
        location = self.location(*place) if isinstance(place, tuple) else place
        self.reader.report(location, message, hint)


def label(service: Service) -> str:
    """A service in a message."""
    return f"the service {service.name}" if service.name else "the service"
