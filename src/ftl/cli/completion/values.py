"""Shell completion of values: names from ftl.yaml and from what commands have seen.

Nothing here may take long or fail: a key press waits for it. So ftl.yaml is parsed and not checked, and releases and
servers are those that a command on this machine has seen.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import yaml

VARIABLE = "_FTL_COMPLETE"
"""Variable by which the shell's function asks for completions, as click names it."""

_MAX_BYTES = 1_000_000


class CompletionContext:
    """ftl.yaml of the command line that is being completed, as far as it can be read."""

    def __init__(self, context: click.Context) -> None:
        self.file = _file(context)

    def names(self, section: str) -> list[str]:
        """Names of a list's items at the top of the file, also of short forms (`postgres:16`)."""
        # Not by ftl.config: its models take longer to import than a key press may last.
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        with open(self.file, "rb") as file:  # noqa: PTH123 -- as in project.find_file
            root = yaml.compose(file.read(_MAX_BYTES), Loader=loader)
        items = _value(root, section)
        names: list[str] = []
        for item in items.value if isinstance(items, yaml.SequenceNode) else ():
            name = _value(item, "name") if isinstance(item, yaml.MappingNode) else item
            if isinstance(name, yaml.ScalarNode):
                names.append(name.value.rpartition("/")[2].partition(":")[0])
        return names

    def project(self) -> str:
        """The project's name."""
        with open(self.file, encoding="utf-8") as file:  # noqa: PTH123
            match = re.search(
                r"^project:\s*(?:#.*)?\n(?:[ \t].*\n)*?[ \t]+name:[ \t]*[\"']?([a-z0-9_-]+)",
                file.read(_MAX_BYTES),
                re.M,
            )
        return match[1] if match else ""

    def environments(self) -> list[str]:
        """Names of environments: of files ftl.NAME.yaml, and of previews that were seen."""
        folder = os.path.dirname(self.file) or "."  # noqa: PTH120
        matches = [re.fullmatch(r"ftl\.([A-Za-z0-9_-]+)\.yaml", name) for name in os.listdir(folder)]  # noqa: PTH208
        return [
            *sorted(match[1] for match in matches if match and match[1] != "preview"),
            *(f"preview/{name}" for name in self.seen("previews")),
        ]

    def seen(self, kind: str) -> list[str]:
        """Releases, previews or servers that earlier commands have seen."""
        from ftl.cli.completion.seen import seen

        return seen(kind if kind == "servers" else f"{kind}:{self.project()}")

    def servers(self) -> list[str]:
        """Servers: the sandbox, this machine, and those that earlier commands have used."""
        return ["sandbox", "local", *self.seen("servers")]


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    import yaml

    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _file(context: click.Context) -> str:
    from ftl.cli.options import options_of
    from ftl.cli.project import find_file

    return find_file(options_of(context).file)


def _services(context: CompletionContext) -> Iterable[str]:
    return context.names("services")


def _all(context: CompletionContext) -> Iterable[str]:
    return [*context.names("services"), *context.names("dependencies")]


def _dependencies(context: CompletionContext) -> Iterable[str]:
    return context.names("dependencies")


def _jobs(context: CompletionContext) -> Iterable[str]:
    return context.names("jobs")


def _releases(context: CompletionContext) -> Iterable[str]:
    return context.seen("releases")


def _previews(context: CompletionContext) -> Iterable[str]:
    return context.seen("previews")


def _scales(context: CompletionContext) -> Iterable[str]:
    return [f"{name}=" for name in context.names("services")]


FINDERS: dict[tuple[str, str], Callable[[CompletionContext], Iterable[str]]] = {
    ("logs", "SERVICE"): _all,
    ("exec", "SERVICE"): _all,
    ("logs", "NAME"): _jobs,
    ("jobs", "NAME"): _jobs,
    ("preview", "NAME"): _previews,
    ("", "SERVICE"): _services,
    ("", "SERVICE=N"): _scales,
    ("", "DEPENDENCY"): _dependencies,
    ("", "RELEASE"): _releases,
    ("", "HOST"): CompletionContext.servers,
}
"""Command and metavar -> values; an empty command is any."""


class CompletedText(click.types.StringParamType):
    """A text with completions."""

    def __init__(self, find: Callable[[CompletionContext], Iterable[str]]) -> None:
        self._find = find

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Values that begin with the text; none where anything goes wrong."""
        words = ctx.params.get(param.name or "") if param.nargs == -1 else None
        taken = words if isinstance(words, tuple) else ()
        try:
            values = dict.fromkeys(self._find(CompletionContext(ctx)))
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
            find = CompletionContext.environments
        if find is not None and isinstance(parameter.type, click.types.StringParamType):
            parameter.type = CompletedText(find)
        elif word == "FILE" and isinstance(parameter.type, click.types.StringParamType):
            parameter.type = click.Path()
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            add_completions(name, subcommand)
