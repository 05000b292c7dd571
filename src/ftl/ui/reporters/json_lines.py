"""Events as JSON lines: one object for each event, with its type and fields."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, TextIO

from ftl.common.redact import redacted_json
from ftl.ui.stream import silence

if TYPE_CHECKING:
    from ftl.events import Event


class JsonLines:
    """Writes each event as a line. When the stream fails, it stops, and the work continues.

    A stream whose reader closed it is silenced. One that cannot be written is not: writing the result fails as well
    then, and that is an error of the command.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._open = True

    def emit(self, event: Event) -> None:
        """Write one event."""
        if not self._open:
            return
        try:
            self._stream.write(redacted_json(as_record(event)) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._open = False
            silence(self._stream)
        except OSError:
            self._open = False

    def close(self) -> None:
        """Do nothing: there is no live part."""


def as_record(event: Event) -> dict[str, object]:
    """The JSON object that --json prints for an event."""
    return {"type": event.type, **{field.name: getattr(event, field.name) for field in fields(event)}}
