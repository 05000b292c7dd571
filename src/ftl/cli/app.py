"""`ftl` for click: commands that are imported when they are called, and the last line of defence around them."""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from ftl import __version__
from ftl.cli.options import add_global_options
from ftl.cli.overview import names, overview

if TYPE_CHECKING:
    from collections.abc import Sequence


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the table."""
        return names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module; every command also takes the global options."""
        if cmd_name not in names():
            return None
        command = import_module(f"ftl.cli.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        add_global_options(command)
        return command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview, the same as without click."""
        formatter.write(overview())


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ftl", message="%(prog)s %(version)s")
def cli() -> None:
    """Deploy containerised apps to plain Linux servers over SSH."""


add_global_options(cli)


def run(given: Sequence[str]) -> int:
    """Run `ftl` with these arguments.

    Returns:
        The exit code (docs/reference/exit-codes.md); a command that failed exits by itself.
    """
    if isinstance(
        sys.stdout, TextIOWrapper
    ):  # a terminal that cannot show a character must not end a command
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return cli.main(args=list(given), prog_name="ftl", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence
        from ftl.cli.failure import report_and_exit_code

        return report_and_exit_code(error, as_json="--json" in _own(given))


def _own(given: Sequence[str]) -> Sequence[str]:
    """The arguments that may be options of ours: where the options could not be read, they have to be guessed."""
    return given[: given.index("--")] if "--" in given else given
