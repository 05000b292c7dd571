"""Output from outside: lines of bounded length, and escape sequences of terminals."""

from __future__ import annotations

import re

MAX_LINE = 1_000_000
"""Bytes of a line; a longer one continues in the next.

A program may write for ever without a newline.
"""

_CONTINUES = range(0x80, 0xC0)

ESCAPE = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # CSI: colour, cursor, erase (ECMA-48 5.4)
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings: titles, links, clipboard
    r"|[ -/]*[0-~])"
)
"""An escape sequence."""


class LineSplitter:
    """Splits a stream at newlines only: a carriage return overwrites a line.

    Every byte is copied a fixed number of times, in whatever pieces a line comes.
    """

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that end in a piece of the stream."""
        *ends, rest = piece.split(b"\n")
        lines: list[bytes] = []
        for end in ends:
            self._pending += end
            lines += self._full()
            lines.append(self.rest())
        self._pending += rest
        lines += self._full()
        return lines

    @property
    def has_rest(self) -> bool:
        """Whether the beginning of a line is pending."""
        return bool(self._pending)

    def rest(self) -> bytes:
        """The beginning of a line that has no end; it is no longer pending."""
        rest = bytes(self._pending)
        self._pending.clear()
        return rest

    def _full(self) -> list[bytes]:
        lines: list[bytes] = []
        start = 0
        while len(self._pending) - start > MAX_LINE:
            end = start + MAX_LINE
            while end > start + MAX_LINE - 3 and self._pending[end] in _CONTINUES:  # not within a character
                end -= 1
            lines.append(bytes(self._pending[start:end]))
            start = end
        del self._pending[:start]
        return lines
