"""Log lines on a stream, each container with a prefix in another colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from ftl.common.redact import redacted
from ftl.ui.sanitize import printable
from ftl.ui.style import Span, Style, dim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.ui.style import Part

COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")


class LogLines:
    """Writes log lines, each behind its time and its container if that is asked for."""

    def __init__(self, stream: TextIO, *, timestamps: bool, prefix: bool) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._style = Style.of(stream)
        self._timestamps = timestamps
        self._prefix = prefix
        self._colours: dict[str, str] = {}
        self._width = 0

    def expect(self, names: Iterable[str]) -> None:
        """Make the prefix wide enough for lines of these containers, before the first of them comes."""
        self._width = max(self._width, *map(len, names), 0)

    def write(self, name: str, time: str, text: str) -> None:
        """Write a line of the container `name`."""
        prefix: list[Part] = []
        if self._prefix:
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            self._width = max(self._width, len(name))
            prefix += [Span(f"{name.ljust(self._width)} |", colour), " "]
        if self._timestamps:
            prefix += [dim(time), " "]
        shown = printable(text, colour=self._style.colour) if self._terminal else redacted(text)
        self._stream.write(f"{self._style.line(*prefix)}{shown}\n")
