"""Base class of all events, and the note: a sentence for the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Base class of all events.

    Attributes:
        type: The event's `type` in JSON. Every kind states its own, so that renaming a class does not change it.
    """

    type: ClassVar[str]


Emit = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """An Emit that discards every event."""


@dataclass(frozen=True, slots=True)
class Note(Event):
    """A sentence for the user; `hint` has the remedy, if there is one."""

    type: ClassVar[str] = "note"

    text: str
    level: Literal["info", "warning"] = "info"
    hint: str | None = None
