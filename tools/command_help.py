"""Help of every command, by section: source of docs/reference/cli.md and the manual page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ftl.cli.app import CommandGroup, cli
from ftl.cli.overview import COMMANDS, OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class CommandHelp:
    """Help of one command.

    Attributes:
        path: "ftl secrets set".
        usage: The path with its arguments.
        text: The docstring of its function.
        options: Flags -> their meaning.
        depth: 0 for a command of `ftl` itself, 1 for one of a group.
    """

    path: str
    usage: str
    text: str
    options: Mapping[str, str]
    depth: int


def sections() -> Iterator[tuple[str, Sequence[CommandHelp]]]:
    """The sections of the overview, with their commands and those of groups."""
    root = click.Context(cli, info_name="ftl")
    group = root.command
    assert isinstance(group, CommandGroup)
    for section, names in COMMANDS.items():
        commands = [(name, group.get_command(root, name)) for name in names]
        yield section, [help_ for name, command in commands for help_ in _helps(command, name, root, 0)]


def _helps(
    command: click.Command | None, name: str, parent: click.Context, depth: int
) -> Iterator[CommandHelp]:
    assert command is not None
    context = click.Context(command, parent, info_name=name)
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    records = [
        option.get_help_record(context)
        for option in command.params
        if isinstance(option, click.Option) and option.name not in OPTIONS and not option.hidden
    ]
    options = dict(record for record in records if record is not None)
    yield CommandHelp(context.command_path, usage, command.help or "", options, depth)
    if isinstance(command, click.Group):
        for below, subcommand in command.commands.items():
            yield from _helps(subcommand, below, context, depth + 1)
