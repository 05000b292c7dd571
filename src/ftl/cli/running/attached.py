"""Run a command that uses FTL's own terminal or pipes, and exit with its exit code."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from ftl.cli.output import writing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ftl.cli.options import Options
    from ftl.events import Emit


def run_attached(options: Options, command: str, work: Callable[[Emit], Awaitable[int]]) -> NoReturn:
    """Run the work and exit with the code that it returns.

    Stdout belongs to the command: nothing of ours goes there, --json or not, unless it fails. Nothing is drawn.
    """
    from ftl.cli.running.event_loop import run_async

    plain = replace(options, json=False, verbose=0)
    with writing():
        code = run_async(plain, command, work)
    sys.exit(code)


def has_terminal() -> bool:
    """Whether stdin and stdout are a terminal, so that a command in a container gets one."""
    return sys.stdin.isatty() and sys.stdout.isatty()
