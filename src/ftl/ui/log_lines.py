"""Lines of logs on a stream: prefixed, each container in a colour of its own."""

from __future__ import annotations

from typing import TextIO

from ftl.ui.sanitize import printable
from ftl.ui.style import Style

COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")


class LogLines:
    """Writes log lines.

    On a terminal, a line keeps its colours and loses what would move the cursor. In a file or a pipe it stays
    exactly as it was written.

    Args:
        stream: Where to.
        timestamps: Whether each line begins with its time.
        prefix: Whether it names its container.
        flush: Write each line through at once.
    """

    def __init__(self, stream: TextIO, *, timestamps: bool, prefix: bool, flush: bool) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._style = Style.of(stream)
        self._timestamps = timestamps
        self._prefix = prefix
        self._flush = flush
        self._colours: dict[str, str] = {}
        self._width = 0

    def write(self, name: str, time: str, text: str) -> None:
        """Write a line of the container `name`."""
        parts = []
        if self._prefix:
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            self._width = max(self._width, len(name))
            parts.append(self._style.marked(colour, f"{name.ljust(self._width)} |"))
        if self._timestamps:
            parts.append(self._style.dim(time))
        parts.append(printable(text, colour=self._style.colour) if self._terminal else text)
        self._stream.write(" ".join(parts) + "\n")
        if self._flush:
            self._stream.flush()
