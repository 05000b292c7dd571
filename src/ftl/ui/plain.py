"""Events as plain lines: for pipes, files and CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from ftl.ui.stream import silence
from ftl.ui.style import Style

if TYPE_CHECKING:
    from ftl.events import Event
    from ftl.ui.transcript import Line, Transcript


class Plain:
    """Writes a line for each event that says something new.

    When the stream fails (its reader left, its disk is full, its terminal is closed), it falls silent: the work goes
    on.

    Args:
        stream: Where to, stderr as a rule.
        transcript: What is worth a line; None: nothing is (--quiet).
    """

    def __init__(self, stream: TextIO, transcript: Transcript | None) -> None:
        self._stream = stream
        self._transcript = transcript
        self._begun: set[str] = set()

    def emit(self, event: Event) -> None:
        """Write what the event adds."""
        if self._transcript is None:
            return
        try:
            for line in self._transcript.lines(event):
                self._write(line)
            self._stream.flush()
        except OSError:
            self._transcript = None
            silence(self._stream)

    def _write(self, line: Line) -> None:
        """Write a line, unless it says of something quick that it is done in the words that said it began."""
        text = text_of(line)
        if line.mark == "started":
            self._begun.add(text)
        elif line.mark == "done" and text in self._begun:
            self._begun.remove(text)
            return
        self._stream.write(Style().line(text) + "\n")

    def close(self) -> None:
        """Nothing to leave clean."""


def text_of(line: Line) -> str:
    """The line as text, with what it is about before it."""
    prefix = f"{line.subject}: " if line.subject else ""
    match line.mark:
        case "warning" | "hint":
            return f"{line.mark}: {prefix}{line.text}"
        case "output":
            return f"{line.subject} | {line.text}" if line.subject else f"  {line.text}"
        case _:
            return prefix + line.text
