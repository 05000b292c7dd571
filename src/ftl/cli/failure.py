"""Report the error that ended a command on stderr or as JSON; choose the exit code."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from ftl.cli.options import Options
from ftl.cli.output import BrokenStdout, OutputLost, put_json
from ftl.cli.suggestions import OTHER_COMMANDS, similar_command, similar_option
from ftl.common.next_step import ftl
from ftl.errors import FtlError, Interrupted, LoginRefused, ServerError, UsageError
from ftl.ui.failure import as_record, draw, hint
from ftl.ui.stream import silence
from ftl.ui.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INTERNAL_HINT = "this is a bug in FTL; run it again with -vv and report what it prints"
SETUP = f"on a new server {ftl('setup')} creates the user and installs Docker"
DOCTOR = f"{ftl('doctor')} checks this machine, the server and the connection between them"


def report_and_exit_code(
    error: BaseException, *, command: str | None = None, as_json: bool = False, options: Options | None = None
) -> int:
    """Report an error on stderr, or as a JSON object, the last line of stdout.

    `command` is its name in that object; for a usage error click knows it. Of the call's `options`, `-vv` adds a
    traceback.

    Returns:
        The exit code.
    """
    if any(isinstance(leaf, BrokenStdout) for leaf in _leaves(error)):
        return 0
    errors = _translated_leaves(error)
    options = options or Options(json=as_json)
    if options.verbose > 1 and not isinstance(error, click.ClickException):
        from traceback import format_exception

        _write(Style().line("".join(format_exception(error))))
    if options.json and not isinstance(errors[0], OutputLost):
        with suppress(BrokenStdout, OutputLost):  # stdout is gone, and stderr is for people
            name = result_name(command or _command_of(error))
            put_json({"type": "result", "ok": False, "command": name, **failed_fields(errors[0])})
    else:
        _print(errors, command)
    return errors[0].exit_code


def _print(errors: Sequence[FtlError], command: str | None) -> None:
    style = Style.of(sys.stderr)
    lines = [draw(errors, style)]
    next_step = _next_step(errors, command)
    if next_step is not None:
        lines.append(style.line(*hint(next_step)))
    _write("".join(f"{line}\n" for line in lines))


def _next_step(errors: Sequence[FtlError], command: str | None) -> str | None:
    """Next command where a server cannot be reached or used; None where a hint of the error names one."""
    refusals = [error for error in errors if isinstance(error, ServerError)]
    if (
        not refusals
        or command in (None, "doctor")
        or any("`ftl " in (error.hint or "") for error in refusals)
    ):
        return None
    is_new = any(isinstance(error, LoginRefused) for error in refusals) and command != "setup"
    return f"{SETUP}; {DOCTOR}" if is_new else DOCTOR


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:  # the terminal is closed, the reader gone, the disk full
        silence(sys.stderr)


def failed_fields(error: FtlError, exit_code: int | None = None) -> dict[str, object]:
    """Fields of a result that is not `ok`; without an exit code, that of the error."""
    code = error.exit_code if exit_code is None else exit_code
    return {"ok": False, "error": as_record(error), "exit_code": code}


def result_name(command: str | None) -> str | None:
    """The name that a command has in its result, by the words that call it."""
    return "maintenance" if command in ("maintenance on", "maintenance off") else command


def _translated_leaves(error: BaseException) -> list[FtlError]:
    """At least one error; several different ones where concurrent tasks failed."""
    by_message = {str(leaf): leaf for leaf in map(_translated, _leaves(error))}
    return list(by_message.values())


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Exceptions of nested groups, which asyncio.TaskGroup raises, without the groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _translated(error: BaseException) -> FtlError:
    """The FtlError for an exception."""
    if isinstance(error, FtlError):
        return error
    if isinstance(error, click.UsageError):
        return _usage(error)
    if isinstance(error, click.ClickException):
        return UsageError(_sentence(error))
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return Interrupted("stopped")
    return FtlError(f"internal error: {type(error).__name__}: {error}", hint=INTERNAL_HINT)


def _usage(error: click.UsageError) -> UsageError:
    """The error for a mistake on the command line, with a suggestion where there is one."""
    suggestion, other = _suggestion(error), _other_command(error)
    if other is not None:
        hint = other
    elif suggestion is not None:
        hint = f"did you mean `{suggestion}`?"
    else:
        path = error.ctx.command_path if error.ctx else "ftl"
        hint = f"`{path} --help` shows how to call it"
        if isinstance(error, click.NoSuchOption) and _takes_command(error):
            hint = f"if it belongs to the command to run, write `--` before that: `{path} web -- ls -l`"
    if isinstance(error, click.exceptions.NoSuchCommand):
        group = error.ctx.command_path.partition(" ")[2] if error.ctx else ""
        return UsageError(f"there is no command `{group} {error.command_name}`".replace("` ", "`"), hint=hint)
    if isinstance(error, click.NoSuchOption):
        return UsageError(f"there is no option `{error.option_name}`", hint=hint)
    return UsageError(_sentence(error), hint=hint)


def _other_command(error: click.UsageError) -> str | None:
    """The hint with the command for the purpose of an unknown option."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return None
    command = error.ctx.command_path.partition(" ")[2]
    other = OTHER_COMMANDS.get((command, error.option_name))
    return f"{ftl(other)} shows what {ftl(command)} would do" if other is not None else None


def _takes_command(error: click.UsageError) -> bool:
    """Whether a command of the user may follow on the line, as in `ftl exec`."""
    parameters = error.ctx.command.params if error.ctx else []
    return any(
        isinstance(parameter, click.Argument) and parameter.type is click.UNPROCESSED
        for parameter in parameters
    )


def _suggestion(error: click.UsageError) -> str | None:
    """The word that was probably meant. Click suggests too much: `setup` for `stop`, `--file` for `--tail`."""
    if error.ctx is None:
        return None
    command = error.ctx.command
    if isinstance(error, click.exceptions.NoSuchCommand) and isinstance(command, click.Group):
        root = error.ctx.find_root()
        # `ftl jobs logs`: what a group lacks may be a command beside it
        all_commands = root.command.list_commands(root) if isinstance(root.command, click.Group) else []
        if error.ctx is not root and error.command_name in all_commands:
            return f"ftl {error.command_name}"
        return similar_command(error.command_name, command.list_commands(error.ctx))
    if isinstance(error, click.NoSuchOption):
        names = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
        return similar_option(error.option_name, names)
    return None


def _sentence(error: click.ClickException) -> str:
    """Click's message in the form of ours: no capital, no full stop, backticks for quotation marks."""
    text = error.format_message().strip().rstrip(".").replace("'", "`")
    return text[:1].lower() + text[1:]


def _command_of(error: BaseException) -> str | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None or context.parent is None:
        return None
    return context.command_path.partition(" ")[2]
