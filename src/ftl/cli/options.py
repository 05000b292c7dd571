"""The options of every command, before or after its name: `ftl --json deploy`, `ftl deploy --json`."""

from __future__ import annotations

from dataclasses import dataclass

import click
from click.core import ParameterSource

from ftl.cli.overview import OPTIONS

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


def options_of(context: click.Context) -> Options:
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
