"""Escape sequences of terminals in the output of programs."""

from __future__ import annotations

import re

ESCAPE = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # CSI: colour, cursor, erase (ECMA-48 5.4)
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings: titles, links, clipboard
    r"|[ -/]*[0-~])"
)
