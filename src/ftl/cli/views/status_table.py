"""Drawing of `ftl status --watch`: a table that stays in place, or lines of JSON."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ftl.cli.output import put_json, writing
from ftl.cli.views.tables import SERVERS, server_rows, unit_cells
from ftl.common.figures import binary, duration, size, utc_time
from ftl.ui.style import Style
from ftl.ui.table import table

if TYPE_CHECKING:
    from datetime import datetime

    from ftl.operations.views.status_stream import StatusSample, Usage
    from ftl.operations.views.units import Unit
    from ftl.proxy.access import RequestFigures

_COLUMNS = "SERVICE RELEASE REPLICAS HEALTH CPU MEMORY REQ/S ERRORS P95 RESTARTS SINCE"
HEADER = tuple(_COLUMNS.split())
OPTIONAL = ("SINCE", "RELEASE", "RESTARTS", "P95")
"""Columns that a narrow terminal does not show, the least important first."""

# The alternate screen, without a cursor; the old content is back afterwards, as after `less` and `watch`.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


class StatusTable:
    """Draws each look at the server; a context manager.

    On a terminal one look replaces the other. Elsewhere they follow each other, with a blank line between.
    """

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()

    def __enter__(self) -> StatusTable:
        if self._terminal:
            _write(_ENTER)
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            _write(_LEAVE)

    def show(self, tick: StatusSample) -> None:
        """Draw one look."""
        from shutil import get_terminal_size

        columns, rows = get_terminal_size()
        lines = table_lines(tick, width=columns if self._terminal else None)
        style = Style.of(sys.stdout)
        drawn = [style.line(line) for line in lines]
        if not self._terminal:
            _write("\n".join([*drawn, "", ""]))
            return
        shown = "".join(f"{line}{_REST_OF_LINE}\r\n" for line in drawn[: rows - 1])
        _write(f"{_HOME}{shown}{_REST_OF_SCREEN}")


def put_sample(tick: StatusSample) -> None:
    """Print a look as a JSON object."""
    status = tick.status.fields()
    units = [
        {
            **fields,
            **(_NO_USAGE if usage is None else asdict(usage)),
            "requests": None if (requests := tick.requests_of(unit)) is None else asdict(requests),
        }
        for unit, fields, usage in zip(
            tick.status.units, map(asdict, tick.status.units), tick.usage, strict=True
        )
    ]
    time = utc_time(tick.status.now).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    put_json({"type": "status", "time": time, **status, "units": units})


_NO_USAGE = {"cpu": None, "memory": None, "memory_limit": None}


def table_lines(tick: StatusSample, *, width: int | None) -> list[str]:
    """The table of one look, below a line with project, server and time.

    Of several servers, a table of these stands below.
    """
    status = tick.status
    now = utc_time(status.now)
    title = f"{status.project} on {status.server}, {now.astimezone():%H:%M:%S}"
    rows = [
        _row(unit, usage, tick.requests_of(unit), now)
        for unit, usage in zip(status.units, tick.usage, strict=True)
    ]
    columns: tuple[str, ...] = HEADER
    below: list[str] = []
    if status.servers:
        columns = (*HEADER, "SERVER")
        rows = [(*row, unit.server or "-") for row, unit in zip(rows, status.units, strict=True)]
        below = ["", *table(SERVERS, server_rows(status.servers), width=width)]
    return [title, "", *table(columns, rows, width=width, optional=OPTIONAL, sentences=("HEALTH",)), *below]


def _row(unit: Unit, usage: Usage | None, requests: RequestFigures | None, now: datetime) -> tuple[str, ...]:
    *cells, since = unit_cells(unit, now)
    return (
        *cells,
        "-" if usage is None or usage.cpu is None else f"{usage.cpu:.0%}",
        "-" if usage is None else _memory(usage),
        "-" if requests is None else f"{requests.rate:.1f}",
        "-" if requests is None else f"{requests.errors:.1%}",
        "-" if requests is None else duration(requests.p95),
        f"{unit.restarts}",
        since,
    )


def _memory(usage: Usage) -> str:
    used = size(usage.memory)
    return used if usage.memory_limit is None else f"{used} / {binary(usage.memory_limit)}"


def _write(text: str) -> None:
    with writing():
        sys.stdout.write(text)
        sys.stdout.flush()
