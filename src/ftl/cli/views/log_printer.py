"""Printer of log entries, as text with a prefix or as JSON objects."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from ftl.cli.output import put_json, writing

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Callable, Iterable, Sequence

    from ftl.cli.options import Options
    from ftl.operations.views.logs.query import LogEntry
    from ftl.operations.views.logs.reading import Show

    Expect = Callable[[Iterable[str]], None]


FLUSH_SECONDS = 0.02
"""Seconds between two flushes of lines that are followed."""


def log_printer(
    options: Options, *, timestamps: bool, prefix: bool, flush: bool, servers: Sequence[str] = ()
) -> tuple[Show, Expect]:
    """Functions that print a line, and that take the names of lines to come.

    A line is a JSON object, or a text with a prefix as wide as the longest name. `servers` are those of a cluster,
    which the prefix names, too.
    """
    if options.json:
        return _put_record, lambda _: None

    from ftl.ui.log_lines import LogLines

    printer = LogLines(sys.stdout, timestamps=timestamps, prefix=prefix)
    flushing = _Flushing(sys.stdout)
    longest = max(servers, key=len, default="")

    def show(entry: LogEntry) -> None:
        with writing():
            printer.write(_prefix(entry.name, entry.server), entry.time, entry.text)
            if flush:
                flushing.flush()

    return show, lambda names: printer.expect(_prefix(name, longest) for name in names)


def _prefix(name: str, server: str) -> str:
    return f"{name}@{server}" if server else name


class _Flushing:
    """Flushes a stream at once after a pause, and lines in a row together.

    One by one takes as long as all else that is done for a line.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._flushed = 0.0
        self._timer: TimerHandle | None = None

    def flush(self) -> None:
        """Flush now, or a little later with the lines that follow."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        if loop.time() - self._flushed >= FLUSH_SECONDS:
            self._flushed = loop.time()
            self._stream.flush()
        elif self._timer is None:
            self._timer = loop.call_later(FLUSH_SECONDS, self._flush_rest)

    def _flush_rest(self) -> None:
        self._timer = None
        with suppress(OSError):  # the next line meets it again
            self._stream.flush()


def _put_record(entry: LogEntry) -> None:
    put_json(
        {
            "type": "log_line",
            "service": entry.service,
            "container": entry.name,
            "release": entry.release,
            "time": entry.time,
            "stream": entry.stream,
            "text": entry.text,
            **({"server": entry.server} if entry.server else {}),
        }
    )
