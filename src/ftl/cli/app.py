"""`ftl` for click: a group that imports commands on demand, and a handler for any error."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from ftl import __version__
from ftl.cli.options import add_global_options
from ftl.cli.overview import COMMANDS, ROOT_FLAGS, names, overview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

_COMPLETING = "_FTL_COMPLETE" in os.environ
"""Whether a shell asks for completions: its variable, by click's rule for `ftl`."""


class CommandGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Names of the commands, from the table of the overview."""
        return names()

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module; every command also takes the global options."""
        if cmd_name not in names():
            return None
        command = import_module(f"ftl.cli.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        add_global_options(command)
        if _COMPLETING:
            from ftl.cli.completion.values import add_completions

            add_completions(cmd_name, command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands from the table, which imports none of them, and the global options."""
        from click.shell_completion import CompletionItem

        helps = {name: text for section in COMMANDS.values() for name, text in section.items()}
        items = [
            CompletionItem(name, help=text) for name, text in helps.items() if name.startswith(incomplete)
        ]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def format_help(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview, the same as without click."""
        formatter.write(overview())


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    __version__, prog_name="ftl", message="%(prog)s %(version)s", help=ROOT_FLAGS["version"][1]
)
@click.help_option(*ROOT_FLAGS["help"][0], help=ROOT_FLAGS["help"][1])
def cli() -> None:
    """Deploy containerised apps to plain Linux servers over SSH."""


add_global_options(cli)
if _COMPLETING:
    from ftl.cli.completion.values import add_completions

    add_completions("", cli)


def run(arguments: Sequence[str]) -> int:
    """Run `ftl` with these arguments; the exit code (docs/reference/exit-codes.md)."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that cannot show a character must not end a command.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return cli.main(args=list(arguments), prog_name="ftl", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence
        from ftl.cli.failure import report_and_exit_code

        # Where parsing failed, --json has to be looked for among the options.
        own = arguments[: arguments.index("--")] if "--" in arguments else arguments
        return report_and_exit_code(error, as_json="--json" in own)
