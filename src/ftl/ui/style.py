"""Lines of text for people, with colour; no library, so an error is drawn as fast as help.

Text for people becomes a line here and nowhere else, so that nothing a server, a file or a program wrote steers the
terminal: `Style.line` escapes its parts, then adds colour.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, TextIO

from ftl.dataclass import dataclass
from ftl.ui.sanitize import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Span:
    """Text in a colour: a code of SGR (ECMA-48 8.3.117), "1;31"."""

    text: str
    code: str


Part = str | Span
"""A part of a line, with or without a colour."""


red, cyan, bold, dim = (partial(Span, code=code) for code in ("1;31", "36", "1", "2"))
"""Text of a failure, of a hint, text that stands out, and text for reference."""


@dataclass(frozen=True, slots=True)
class Style:
    """Renders lines for a stream that shows colour, or for one that does not."""

    colour: bool = False

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] | None = None) -> Style:
        """Colour on a terminal, but not with NO_COLOR (https://no-color.org) or TERM=dumb."""
        variables = os.environ if environ is None else environ
        return cls(stream.isatty() and not variables.get("NO_COLOR") and variables.get("TERM") != "dumb")

    def line(self, *parts: Part) -> str:
        """Render parts as one text that is safe for a terminal."""
        return "".join(map(self._rendered, parts))

    def _rendered(self, part: Part) -> str:
        if isinstance(part, str):
            return escaped(part)
        text = escaped(part.text)
        return f"\x1b[{part.code}m{text}\x1b[0m" if self.colour and text else text
