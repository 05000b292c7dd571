"""Events as plain lines: for pipes, files and CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from ftl.ui.stream import silence
from ftl.ui.style import Style

if TYPE_CHECKING:
    from ftl.events import Event
    from ftl.ui.reporters.transcript import Line, Transcript


class Plain:
    """Writes a line for each event that says something new; none without a transcript (--quiet)."""

    def __init__(self, stream: TextIO, transcript: Transcript | None) -> None:
        self._stream = stream
        self._transcript = transcript
        self._started: set[str] = set()

    def emit(self, event: Event) -> None:
        """Write the lines of an event."""
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
        """Write a line, but not the end of a quick step that has the same text as its start."""
        text = text_of(line)
        if line.kind == "started":
            self._started.add(text)
        elif line.kind == "done" and text in self._started:
            self._started.remove(text)
            return
        self._stream.write(Style().line(text) + "\n")

    def close(self) -> None:
        """Do nothing: there is no live part."""


def text_of(line: Line) -> str:
    """Text of a line, its subject first."""
    prefix = f"{line.subject}: " if line.subject else ""
    match line.kind:
        case "warning" | "hint":
            return f"{line.kind}: {prefix}{line.text}"
        case "output":
            return f"{line.subject} | {line.text}" if line.subject else f"  {line.text}"
        case _:
            return prefix + line.text
