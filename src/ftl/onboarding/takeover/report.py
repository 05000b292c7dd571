"""Report of a takeover: a verdict for each key of the other tool's file."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.config.yaml.locations import Location


UNKNOWN_KEY = "FTL has no such key: leave it out, or correct its name"
UNKNOWN_TO_COMPOSE = "neither Compose nor FTL has such a key: leave it out, or correct its name"


class Verdict(StrEnum):
    """Fate of a key."""

    TAKEN = "taken over"
    CHANGED = "taken over as"
    NEEDS_YOU = "needs you"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class KeyReport:
    """The verdict for one key.

    Attributes:
        key: Its path: "services.web.ports".
        text: The new place, what to do, or why it is left out; empty for the same key.
        line: Its line; 0 where the format has none.
    """

    key: str
    verdict: Verdict
    text: str = ""
    file: str = ""
    line: int = 0


Place = TypeVar("Place")


class Verdicts(Generic[Place]):
    """Verdicts on keys at places, each by a short name."""

    __slots__ = ()

    def add(self, key: str, verdict: Verdict, text: str = "", place: Place | None = None) -> None:
        """Add a verdict."""
        raise NotImplementedError

    def taken(self, key: str, text: str = "", place: Place | None = None) -> None:
        """A key is the same in ftl.yaml."""
        self.add(key, Verdict.TAKEN, text, place)

    def changed(self, key: str, text: str, place: Place | None = None) -> None:
        """A key is another one in ftl.yaml."""
        self.add(key, Verdict.CHANGED, text, place)

    def left_out(self, key: str, text: str, place: Place | None = None) -> None:
        """A key is not needed in ftl.yaml."""
        self.add(key, Verdict.LEFT_OUT, text, place)

    def todo(self, key: str, text: str, place: Place | None = None) -> None:
        """A key needs the user."""
        self.add(key, Verdict.NEEDS_YOU, text, place)


@dataclass(slots=True)
class TakeoverReport(Verdicts["Location"]):
    """Rows in the order in which the keys were looked at."""

    rows: list[KeyReport] = field(default_factory=list)

    def add(self, key: str, verdict: Verdict, text: str = "", place: Location | None = None) -> None:
        """Add a verdict; the last one for a key counts, and of a variable the last one at any place."""
        file, line = (place.file.name, place.line) if place is not None else ("", 0)
        here = [] if key.startswith("${") else [file, line]
        self.rows = [row for row in self.rows if row.key != key or (here and here != [row.file, row.line])]
        self.rows.append(KeyReport(key, verdict, text, file, line))

    def count(self, verdict: Verdict) -> int:
        """Number of keys with a verdict."""
        return sum(row.verdict is verdict for row in self.rows)


def by_hint(hint: str) -> tuple[Verdict, str]:
    """Verdict and text that the hint for a key of another tool stands for."""
    reason = hint.removeprefix("leave it out: ")
    return Verdict.NEEDS_YOU if reason == hint else Verdict.LEFT_OUT, reason
