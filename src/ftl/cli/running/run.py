"""Run a command's work: report events, print the JSON result, report a failure."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, NoReturn, ParamSpec, TypeVar

import click

from ftl.cli.next_step import complete_for
from ftl.cli.options import Options, options_of
from ftl.cli.output import Fields, put_json, writing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ftl.cli.options import Options
    from ftl.events import Emit


P = ParamSpec("P")
T = TypeVar("T")


def run(
    options: Options, command: str, work: Callable[[Emit], Awaitable[T]], fields: Callable[[T], Fields]
) -> T:
    """Run a command's asynchronous work with a reporter; with --json, print its fields.

    Ctrl-C and SIGTERM cancel the work, which then cleans up; a second one does not wait for that.

    Returns:
        What the work returned, for the command to print where it is not JSON.
    """
    from ftl.cli.running.event_loop import run_async

    return _finish(options, command, run_async(options, command, work), fields)


def run_sync(options: Options, command: str, work: Callable[[], T], fields: Callable[[T], Fields]) -> T:
    """Run work that needs no server and no engine, without the cost of asyncio and a reporter."""
    return _finish(options, command, work(), fields)


def _finish(options: Options, command: str, result: T, fields: Callable[[T], Fields]) -> T:
    if options.json:
        put_json({"type": "result", "ok": True, "command": command, **fields(result)})
    with writing():
        sys.stdout.flush()  # here and not when Python exits: an error is noticed where it can be handled
    return result


def pass_options(function: Callable[Concatenate[Options, P], T]) -> Callable[P, T]:
    """Give a command the global options as its first argument, and report its failure.

    Click's own exceptions pass: `ftl.cli.app` reports those, with the ones that end the parsing of the line.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        context = click.get_current_context()
        options = options_of(context)
        complete_for(options, context.command_path.partition(" ")[2])
        try:
            return function(options, *args, **kwargs)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every failure is reported in words
            from ftl.cli.failure import report_and_exit_code

            name, options = context.command_path.partition(" ")[2], options_of(context)
            sys.exit(report_and_exit_code(error, command=name, options=options))

    return update_wrapper(call, function)


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
