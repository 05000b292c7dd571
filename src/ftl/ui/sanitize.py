"""Text that other programs wrote, made safe for a terminal."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\x1b(?:"
    r"\[(?P<csi>[0-?]*[ -/]*[@-~])"  # CSI: colour, cursor, erase (ECMA-48 5.4)
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings: titles, links, clipboard
    r"|[ -/]*[0-~])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
_COLOUR = re.compile(r"[0-9;:]*m")


def printable(line: str, *, colour: bool = False) -> str:
    """A line that somebody else's program wrote, made safe for a terminal.

    A build step or an app may move the cursor, set the window's title or clear the screen; here it may not.
    Of a line that draws itself anew with carriage returns (a progress bar), the last state is kept.

    Args:
        line: The line, without its newline.
        colour: Keep colours (SGR), and end them with the line.
    """
    line = line.rstrip("\r").rpartition("\r")[2]

    def kept(found: re.Match[str]) -> str:
        sequence = found["csi"]
        return found[0] if colour and sequence is not None and _COLOUR.fullmatch(sequence) else ""

    clean = _CONTROL.sub("", _ESCAPE.sub(kept, line))
    if not colour:
        return clean.replace("\x1b", "")
    return clean + "\x1b[0m" if "\x1b[" in clean else clean
