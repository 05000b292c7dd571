"""Colour for a few words, without the cost of a library: an error must be drawn as fast as help."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Style:
    """Marks words for a stream that can show colour, and leaves them alone for one that cannot."""

    colour: bool = False

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] | None = None) -> Style:
        """Colour on a terminal, unless NO_COLOR is set (https://no-color.org) or the terminal is "dumb"."""
        given = os.environ if environ is None else environ
        return cls(stream.isatty() and not given.get("NO_COLOR") and given.get("TERM") != "dumb")

    def red(self, text: str) -> str:
        """What went wrong."""
        return self.marked("1;31", text)

    def cyan(self, text: str) -> str:
        """What to do next."""
        return self.marked("36", text)

    def bold(self, text: str) -> str:
        """What to look at."""
        return self.marked("1", text)

    def dim(self, text: str) -> str:
        """What is there for reference."""
        return self.marked("2", text)

    def marked(self, code: str, text: str) -> str:
        """The text in the colour of a code of SGR (ECMA-48 8.3.117)."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text
