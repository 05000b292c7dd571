"""Draw events on a terminal: a growing transcript, and below it the work in progress, live."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ftl.common.figures import duration
from ftl.ui.reporters import transfers
from ftl.ui.sanitize import escaped
from ftl.ui.stream import silence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.events import Event, TransferProgress
    from ftl.ui.reporters.board import Activity, Board
    from ftl.ui.reporters.transcript import Line, LineKind, Transcript

REFRESH = 8
"""Redraws of the live part a second."""

WIDE, VERY_WIDE = 70, 100
"""Least widths of a terminal for a progress bar, and for a long one."""

_STYLES: dict[LineKind, str] = {
    "done": "green",
    "failed": "bold red",
    "undone": "yellow",
    "warning": "bold yellow",
    "hint": "cyan",
    "output": "dim",
}
_SYMBOLS: dict[LineKind, tuple[str, str]] = {"done": ("✓", "+"), "failed": ("✗", "x"), "undone": ("↩", "<")}


class Terminal:
    """Draws on a terminal with rich. The live part starts with the first activity.

    After `close` only the transcript stays, whether the work succeeded, failed or was interrupted.

    Only the event loop writes: rich's refresh thread moves the cursor up between the lines that another thread is
    about to write, which left rows of the live part in the scrollback and lost lines of the transcript (once or twice
    in 12 deploys of two services).
    """

    def __init__(self, console: Console, transcript: Transcript, board: Board) -> None:
        self._console = console
        self._transcript = transcript
        self._board = board
        self._unicode = console.encoding.lower().startswith("utf")
        self._spinner = Spinner("dots" if self._unicode else "line", style="cyan")
        self._live: Live | None = None
        self._redraw: asyncio.TimerHandle | None = None
        self._closed = False

    def emit(self, event: Event) -> None:
        """Draw one event."""
        if self._closed:
            return
        try:
            self._board.update(event)
            for line in self._transcript.lines(event):
                if line.lasting:
                    self._console.print(self._drawn(line), soft_wrap=line.kind == "output")
            self._animate()
        except OSError:
            self._fall_silent()

    def close(self) -> None:
        """Remove the live part and show the cursor again."""
        self._closed = True
        self._stop_redrawing()
        live, self._live = self._live, None
        if live is not None:
            try:
                live.stop()
            except OSError:
                silence(self._console.file)

    def _animate(self) -> None:
        if self._live is None and self._board.rows:
            self._live = Live(
                get_renderable=self.live_part,
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,  # stdout is data, and may be another stream than this terminal
            )
            self._live.start()
            with suppress(RuntimeError):  # no event loop runs: the live part changes with events alone
                self._redraw_later(asyncio.get_running_loop())

    def _redraw_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._redraw = loop.call_later(1 / REFRESH, self._redraw_now, loop)

    def _redraw_now(self, loop: asyncio.AbstractEventLoop) -> None:
        """Redraw the live part with its spinner and times."""
        if self._live is None:
            return
        try:
            self._live.refresh()
        except OSError:
            self._fall_silent()
            return
        self._redraw_later(loop)

    def _stop_redrawing(self) -> None:
        if self._redraw is not None:
            self._redraw.cancel()

    def _fall_silent(self) -> None:
        """Stop drawing, because the terminal is gone; the work continues, or is rolled back."""
        self._closed = True
        self._stop_redrawing()
        silence(self._console.file)

    def _drawn(self, line: Line) -> RenderableType:
        """A line of the transcript, with a hanging indent."""
        style = _STYLES.get(line.kind, "")
        if line.kind == "output":
            return _text(("  | " if line.subject is None else f"  {line.subject} | ", "dim"), line.text)
        if line.kind in ("warning", "hint"):
            return _text((line.kind, style), f": {_prefix(line.subject)}{line.text}")
        symbol = _SYMBOLS.get(line.kind, ("•", "-"))[0 if self._unicode else 1]
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(symbol, style or "dim"), _text((_prefix(line.subject), "bold"), line.text))
        return grid

    def live_part(self) -> RenderableType:
        """Render the live part, never higher than the terminal."""
        rows = _with_total(self._board.rows)
        room = max(self._console.height - 2, 1)
        subjects = min(max((len(row.subject) for row in rows[:room]), default=0), self._console.width // 3)
        grid = Table.grid(padding=(0, 1))
        rest = max(self._console.width - subjects - 5, 1)
        for width in (1, subjects, rest):
            grid.add_column(
                width=max(width, 1), no_wrap=True, overflow="ellipsis" if self._unicode else "crop"
            )
        for row in rows[:room]:
            grid.add_row(self._spinner, _text((row.subject, "bold")), self._progress(row, rest))
        if len(rows) > room:
            return Group(grid, Text(f"  and {len(rows) - room} more", style="dim"))
        return grid

    def _progress(self, row: Activity, width: int) -> RenderableType:
        """Progress of a row: its text and time, or figures with a bar where there is room."""
        if row.transfer is not None:
            return self._bar(row.transfer, width)
        text = _text(" ".join(row.text.split()))
        elapsed = self._board.clock() - row.started
        if elapsed >= 1:
            text.append(f" {duration(elapsed)}", style="dim")
        if row.detail:
            text.append_text(_text((f"  {' '.join(row.detail.split())}", "dim")))
        return text

    def _bar(self, transfer: TransferProgress, width: int) -> RenderableType:
        """A bar of a fixed width, so that it does not jump, and as many whole figures as fit."""
        terminal = self._console.width
        bar = 0 if terminal < WIDE or not transfer.bytes_total else 10 if terminal < VERY_WIDE else 24
        text, *further = transfers.progress(transfer)
        for figure in further:
            if len(text) + 2 + len(figure) > width - (bar + 1 if bar else 0):
                break
            text += f"  {figure}"
        if not bar:
            return Text(text)
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=bar)
        grid.add_column(no_wrap=True, overflow="crop")
        progress = ProgressBar(total=transfer.bytes_total, completed=transfer.bytes_done, width=bar)
        grid.add_row(progress, Text(text))
        return grid


def _with_total(rows: Sequence[Activity]) -> list[Activity]:
    """Rows with a total below the images, where several are being sent."""
    sending = [row for row in rows if row.transfer is not None]
    if len(sending) < 2:
        return list(rows)
    all_images = transfers.total([row.transfer for row in sending if row.transfer is not None])
    last = max(rows.index(row) for row in sending)
    return [
        *rows[: last + 1],
        replace(sending[0], subject=all_images.image, transfer=all_images),
        *rows[last + 1 :],
    ]


def _text(*parts: str | tuple[str, str]) -> Text:
    """Text for rich, its control characters escaped: rich itself lets ESC through (seen in 15.0)."""
    return Text.assemble(
        *(escaped(part) if isinstance(part, str) else (escaped(part[0]), part[1]) for part in parts)
    )


def _prefix(subject: str | None) -> str:
    return f"{subject}: " if subject else ""
