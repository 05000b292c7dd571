"""Shell completion of values by click: those of every option and argument that takes a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from ftl.cli.completion import names
from ftl.cli.completion.names import ProjectNames

if TYPE_CHECKING:
    from ftl.cli.completion.names import Finder

VARIABLE = "_FTL_COMPLETE"
"""Variable by which the shell's function asks for completions, as click names it."""


def _file(context: click.Context) -> str:
    from ftl.cli.options import options_of
    from ftl.cli.project_file import find_file

    return find_file(options_of(context).file)


FINDERS: dict[tuple[str, str], Finder] = {
    ("logs", "SERVICE"): names.services_and_dependencies,
    ("exec", "SERVICE"): names.services_and_dependencies,
    ("logs", "NAME"): names.jobs,
    ("jobs", "NAME"): names.jobs,
    ("preview", "NAME"): lambda things: things.seen("previews"),
    ("sandbox", "NAME"): ProjectNames.sandboxes,
    ("", "SERVICE"): names.services,
    ("", "SERVICE=N"): names.scales,
    ("", "DEPENDENCY"): names.dependencies,
    ("", "RELEASE"): ProjectNames.releases,
    ("", "HOST"): ProjectNames.servers,
}
"""Command and metavar -> values; an empty command is any."""


class CompletedText(click.types.StringParamType):
    """A text with completions."""

    def __init__(self, find: Finder) -> None:
        self._find = find

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Values that begin with the text; none where anything goes wrong."""
        words = ctx.params.get(param.name or "") if param.nargs == -1 else None
        taken = words if isinstance(words, tuple) else ()
        try:
            values = dict.fromkeys(self._find(ProjectNames(_file(ctx))))
        except Exception:  # noqa: BLE001 -- there is no place for a message below a key press
            return []
        return [
            CompletionItem(value) for value in values if value.startswith(incomplete) and value not in taken
        ]


def add_completions(name: str, command: click.Command) -> None:
    """Give the parameters of a command and its subcommands the completions of their metavars."""
    for parameter in command.params:
        word = (parameter.metavar or (parameter.name or "").upper()).strip("[].")
        find = FINDERS.get((name, word)) or FINDERS.get(("", word))
        if parameter.name == "env":
            find = ProjectNames.environments
        if find is not None and isinstance(parameter.type, click.types.StringParamType):
            parameter.type = CompletedText(find)
        elif word == "FILE" and isinstance(parameter.type, click.types.StringParamType):
            parameter.type = click.Path()
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            add_completions(name, subcommand)
