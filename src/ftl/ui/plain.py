"""Events as plain lines."""

from __future__ import annotations

from typing import TextIO

from ftl.events import Event, Note


class Plain:
    """Writes a line for each event that says something new."""

    def __init__(self, stream: TextIO, *, quiet: bool, verbose: int) -> None:
        self._stream = stream
        self._quiet = quiet
        self._verbose = verbose

    def emit(self, event: Event) -> None:
        """Write one event."""
        if not self._quiet and isinstance(event, Note):
            self._stream.write(f"{event.text}\n")

    def close(self) -> None:
        """Nothing to leave clean."""
