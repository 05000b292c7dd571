"""Choose the reporter of events by the options and by the kind of stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ftl.events import Event


class Reporter(Protocol):
    """Draws events. Owns stderr (or, for JSON, shares stdout) until it is closed."""

    def emit(self, event: Event) -> None:
        """Draw one event. A stream that fails raises nothing: the work continues."""
        ...

    def close(self) -> None:
        """Take the live part away. May be called twice."""
        ...


def open_reporter(*, as_json: bool, quiet: bool, verbose: int) -> Reporter:
    """Open JSON lines on stdout, or a reporter on stderr that is live if that is a terminal."""
    if as_json:
        from ftl.ui.reporters.json_lines import JsonLines

        return JsonLines(sys.stdout)

    from ftl.ui.reporters.plain import Plain
    from ftl.ui.reporters.transcript import Transcript

    if quiet:
        return Plain(sys.stderr, None)
    transcript = Transcript(verbose=verbose)
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return Plain(sys.stderr, transcript)

    from rich.console import Console

    from ftl.ui.reporters.board import Board
    from ftl.ui.reporters.terminal import Terminal

    return Terminal(Console(file=sys.stderr, highlight=False), transcript, Board())
