"""The options of every command, before or after its name: `ftl --json deploy`, `ftl deploy --json`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click
from click.core import ParameterSource

from ftl.cli.overview import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_META = "ftl.options"


@dataclass(frozen=True, slots=True)
class Options:
    """The global options.

    Attributes:
        file: The path given with -f; None: ftl.yaml, found upwards.
        server: What was given with --server, unparsed.
        json: One JSON object a line on stdout, and nothing else there.
        quiet: Only errors and data.
        verbose: How many -v: 1 shows the output of builds and hooks, 2 adds tracebacks.
    """

    file: str | None = None
    server: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0


def pass_options(function: Callable[Concatenate[Options, P], R]) -> Callable[P, R]:
    """Give a command the global options as its first argument, and end it as the contract says when it fails."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        context = click.get_current_context()
        options = gathered(context)
        try:
            return function(options, *args, **kwargs)
        except (click.ClickException, click.exceptions.Exit):
            raise  # the way in which click ends a command; `main` knows about it
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every failure is told in words
            from ftl.cli.failure import conclude

            name = context.command_path.partition(" ")[2]
            sys.exit(conclude(error, command=name, as_json=options.json, verbose=options.verbose > 1))

    return update_wrapper(call, function)


def gathered(context: click.Context) -> Options:
    """The global options, wherever on the line they stood."""
    given = context.meta.get(_META, {})
    return Options(**given)


def add_global_options(command: click.Command) -> None:
    """Let `command`, and what is below it, take the global options; a flag of its own keeps its letter.

    Idempotent. (`ftl logs -f` follows, as everyone's fingers expect; there the file is `--file` only.)
    """
    own = {flag for parameter in command.params for flag in parameter.opts + parameter.secondary_opts}
    if "--json" in own:
        return
    for option in _global_options():
        option.opts = [flag for flag in option.opts if flag not in own]
        command.params.append(option)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_global_options(below)


def _global_options() -> list[click.Option]:
    """New option objects, remembered in the context instead of being arguments of the command."""
    return [
        click.Option(
            flags,
            metavar=word or None,
            is_flag=None if word or name == "verbose" else True,
            count=name == "verbose",
            help=text,
            expose_value=False,
            callback=_remember,
        )
        for name, (flags, word, text) in OPTIONS.items()
    ]


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep what was given, for the command to gather; -v adds up."""
    if parameter.name is None or context.get_parameter_source(parameter.name) is ParameterSource.DEFAULT:
        return
    given = context.meta.setdefault(_META, {})
    if isinstance(value, int) and not isinstance(value, bool):
        value += given.get(parameter.name, 0)
    given[parameter.name] = value
