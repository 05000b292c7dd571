"""`ftl` itself: the table of commands, loaded when called, and the last line of defence around them."""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from ftl import __version__
from ftl.cli.options import add_global_options

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "Write a first ftl.yaml for the app in this folder.",
        "validate": "Check ftl.yaml and the files it names.",
        "config": "Print the resolved ftl.yaml.",
    },
    "Deploy": {
        "plan": "Show what a deploy would do, and change nothing.",
        "build": "Build the images of all or some services.",
        "deploy": "Build, send and start a new release without losing a request.",
    },
    "Look": {
        "status": "Show what runs on the server.",
        "logs": "Print the logs of services and dependencies, merged by time.",
        "tunnels": "Reach the dependencies' ports from this machine.",
        "version": "Print the versions of FTL, Python and the server's engine.",
    },
    "Servers": {
        "sandbox": "A throwaway server on this machine: for a first try, for CI, for rehearsals.",
    },
}
"""Section -> name -> one-line help. The command `name` is `command` in the module `ftl.cli.name`.

Kept here and not read from the modules, so that `ftl --help` imports none of them; a test compares the two.
"""


def names() -> list[str]:
    """Every command's name, in the order of the table."""
    return [name for section in COMMANDS.values() for name in section]


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the table."""
        return names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module; every command also takes the global options."""
        if cmd_name not in names():
            return None
        command = import_module(f"ftl.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        add_global_options(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest one that is spelt alike."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not name.startswith("-"):
            raise click.exceptions.NoSuchCommand(name, possibilities=alike(name), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table."""
        for section, commands in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl(list(commands.items()), col_max=12)


def alike(name: str) -> list[str]:
    """The commands that someone who typed `name` may have meant, best first."""
    from difflib import get_close_matches

    return get_close_matches(name, names(), n=2, cutoff=0.5)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`ftl COMMAND --help` says more about each.",
)
@click.version_option(__version__, prog_name="ftl", message="%(prog)s %(version)s")
def cli() -> None:
    """Deploy containerised apps to plain Linux servers over SSH.

    One file, `ftl.yaml`, says what runs where; `ftl deploy` makes it so, and no request fails meanwhile.
    """


add_global_options(cli)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `ftl` and exit: 0, 1, 2, 3, 4 or 130 (docs/reference/exit-codes.md)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if isinstance(
        sys.stdout, TextIOWrapper
    ):  # a terminal that cannot show a character must not end a command
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = cli.main(args=given, prog_name="ftl", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        status = error.exit_code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence
        from ftl.cli.failure import conclude

        status = conclude(error, as_json="--json" in _own(given))
    sys.exit(status or 0)


def _own(given: Sequence[str]) -> Sequence[str]:
    """The arguments that may be options of ours: where the options could not be read, they have to be guessed."""
    return given[: given.index("--")] if "--" in given else given
