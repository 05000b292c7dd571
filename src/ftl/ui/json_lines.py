"""Events as JSON, one object a line: `type` is the name in snake_case, the fields keep their names."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, TextIO

from ftl.ui.stream import silence

if TYPE_CHECKING:
    from ftl.events import Event


class JsonLines:
    """Writes each event as a line. When the stream fails, it falls silent: the work goes on.

    A stream whose reader left is let go. One that cannot be written is not: writing the result fails as well then, and
    that is an error of the command.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._read = True

    def emit(self, event: Event) -> None:
        """Write one event."""
        if not self._read:
            return
        try:
            self._stream.write(json.dumps(as_record(event), default=str) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._read = False
            silence(self._stream)
        except OSError:
            self._read = False

    def close(self) -> None:
        """Nothing to leave clean."""


def as_record(event: Event) -> dict[str, object]:
    """The event as the JSON object that --json prints."""
    record: dict[str, object] = {"type": event.type}
    for field in fields(event):
        record[field.name] = getattr(event, field.name)
    return record
