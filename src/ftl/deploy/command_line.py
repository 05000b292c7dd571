"""Command line of an operation, for the audit and for hints that repeat it after a break."""

from __future__ import annotations

import shlex

from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class GivenCommand:
    """A command as the user gave it, with the options that change something.

    It is without `ftl` and without its target. Run again, it finishes what an interrupted one left.

    Attributes:
        name: Its name: "deploy", "preview up".
        options: With their values: "--mark-bad", "r3".
        lock_wait: Seconds to wait for another operation on the project to end (--wait-lock); 0 gives up at once.
    """

    name: str
    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    lock_wait: float = 0.0

    @property
    def verb(self) -> str:
        """First word of its name."""
        return self.name.partition(" ")[0]

    @property
    def text(self) -> str:
        """The line, as a shell reads it."""
        return " ".join((self.name, *map(shlex.quote, (*self.arguments, *self.options))))
