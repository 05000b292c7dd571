"""Global options, before or after the command: `ftl --json deploy`; and values of options."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from ftl.cli.overview import OPTIONS
from ftl.dataclass import dataclass
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

T = TypeVar("T")

_META = "ftl.options"


@dataclass(frozen=True, slots=True)
class Options:
    """The global options.

    Attributes:
        file: Value of -f; None: ftl.yaml, searched upwards.
        env: Value of -e; None: that of $FTL_ENV.
        server: Value of --server, unparsed.
        json: Print one JSON object a line on stdout, and nothing else there.
        quiet: Print only errors and data.
        verbose: Number of -v: 1 shows the output of builds and hooks, 2 adds tracebacks.
        project: Value of --project, which many commands have: a project without its file.
    """

    file: str | None = None
    env: str | None = None
    server: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    project: str | None = None


def options_of(context: click.Context) -> Options:
    """Global options of a call, wherever on the line they stood."""
    given = context.meta.get(_META, {})
    return Options(**{"project": _project(context), **given})


def _project(context: click.Context | None) -> str | None:
    """Value of --project, which a command has or the group that it is in."""
    while context is not None and not context.params.get("project"):
        context = context.parent
    return context.params["project"] if context is not None else None


def replace_options(options: Options) -> Options:
    """Replace the global options of the call, also for the next steps of its errors."""
    click.get_current_context().meta[_META] = asdict(options)
    return options


def seconds(option: str, text: str, *, least: float = 0.0) -> float:
    """The value of an option that is a duration, in seconds.

    Raises:
        UsageError: It is not a duration longer than 0, or shorter than `least` seconds.
    """
    from ftl.common.figures import count
    from ftl.config.values.scalars import InvalidValue, interval

    try:
        value = interval(text)
        if value < least:
            raise InvalidValue(f"is shorter than {count(round(least), 'second')}")
    except InvalidValue as error:
        raise UsageError(f"{option}: `{text}` {error}", hint="write it like 90s, 30m or 2h") from error
    return value


def checked(parse: Callable[[str], T], text: str, *, option: str = "") -> T:
    """Parse a value of the command line by the rule for it in ftl.yaml.

    Raises:
        UsageError: It is not valid; the message begins with the option.
    """
    from ftl.config.values.scalars import InvalidValue

    try:
        return parse(text)
    except InvalidValue as error:
        place = f"{option}: " if option else ""
        raise UsageError(f"{place}`{text}` {error.message}", hint=error.hint) from None


def add_global_options(command: click.Command) -> None:
    """Add the global options to a command and its subcommands, except flags the command defines.

    Idempotent. (`ftl logs -f` follows, as in `docker logs` and `tail`; there the file is `--file` only.)
    """
    defined = {flag for parameter in command.params for flag in parameter.opts + parameter.secondary_opts}
    if "--json" in defined:
        return
    for option in _global_options():
        option.opts = [flag for flag in option.opts if flag not in defined]
        command.params.append(option)
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            add_global_options(subcommand)


def _global_options() -> list[click.Option]:
    """New option objects; their values go to the context and not to the command's function."""
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
    """Keep a value that was given in the context, for `options_of`; -v adds up."""
    if parameter.name is None or context.get_parameter_source(parameter.name) is ParameterSource.DEFAULT:
        return
    given = context.meta.setdefault(_META, {})
    if isinstance(value, int) and not isinstance(value, bool):
        value += given.get(parameter.name, 0)
    given[parameter.name] = value


_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PART = r"([0-9.]+)(ms|s|m|h|d)"
_LONGEST_DAYS = 36_500


def time_option(option: str, text: str | None) -> str | timedelta | None:
    """The time that an option gives; None where it was not given."""
    return None if text is None else parse_time(text, option=option)


def parse_time(text: str, *, option: str = "--since") -> str | timedelta:
    """A time in UTC as RFC 3339, or a duration before the server's present.

    Raises:
        UsageError: The text is neither.
    """
    from datetime import UTC, datetime, timedelta

    try:
        if re.fullmatch(rf"({_PART})+", text):
            parts = re.findall(_PART, text)
            before = sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())
            if before > timedelta(days=_LONGEST_DAYS):
                raise OverflowError
            return before
        time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: `{text}` is not a time", hint="write 10m, 1h30m, 2d or 2026-01-31T12:00:00Z"
        ) from None
    return time.isoformat().replace("+00:00", "Z")
