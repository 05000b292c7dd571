"""Command line of the call, for the audit and for the hint that finishes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.command_line import GivenCommand

CHANGES_NOTHING = frozenset({"dry_run", "number", "project", "summary", "yes"})
"""Names of parameters that choose the project, or shape the run and its output.

They change nothing on the server. The global options are not among the values that commands get.
"""


_LOCK_WAIT = "ftl.lock_wait"


def _keep_lock_wait(context: click.Context, _option: click.Parameter, value: float) -> None:
    context.meta[_LOCK_WAIT] = value


wait_lock_option = click.option(
    "--wait-lock",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    expose_value=False,
    callback=_keep_lock_wait,
    help="Seconds to wait for another deploy of this project to end.",
)
"""Becomes `GivenCommand.lock_wait`; no command handles it itself."""


def given_command() -> GivenCommand:
    """The command of this call, with its arguments and the options that change something."""
    from ftl.deploy.command_line import GivenCommand

    context = click.get_current_context()
    arguments: list[str] = []
    options: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if isinstance(parameter, click.Argument):
            arguments += _values(value)
        elif isinstance(parameter, click.Option) and _is_given(context, parameter):
            options += _words(parameter, value)
    name, lock_wait = " ".join(_names(context)), context.meta.get(_LOCK_WAIT, 0.0)
    return GivenCommand(name, tuple(arguments), tuple(options), lock_wait)


def _names(context: click.Context) -> list[str]:
    """Names of the command and of the group that it is in, without that of FTL."""
    if context.parent is None:
        return []
    return [*_names(context.parent), context.info_name or ""]


def _is_given(context: click.Context, option: click.Option) -> bool:
    name = option.name or ""
    given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    return given and name in context.params and name not in CHANGES_NOTHING


def _words(option: click.Option, value: object) -> Iterator[str]:
    if option.is_flag:
        yield (option.opts if value else option.secondary_opts)[0]
        return
    for each in _values(value):
        yield option.opts[0]
        yield each


def _values(value: object) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, tuple) else [str(value)]
