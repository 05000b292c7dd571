"""Generator of docs/reference and the manual page: `python -m tools.reference`."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from inspect import cleandoc, getdoc
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from tools import manual, packages_picture, reference_yaml
from tools.command_help import sections

from ftl.cli.overview import OPTIONS
from ftl.events import Event, build, event, steps, transfer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.command_help import CommandHelp

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
WIDTH = 100

NOTICE = "<!-- Written by `make docs` from the program itself: change the program, not this page. -->"

CLI = f"""\
# Commands

{NOTICE}

`ftl COMMAND --help` says the same on a terminal. What commands print for programs is in [json.md](json.md), how they
end in [exit-codes.md](exit-codes.md).

"""

EVENTS = f"""\
# Events

{NOTICE}

With `--json`, `ftl` prints what happens while it works as one JSON object a line, in the order in which things happen.
`type` says what it is; the other fields are listed here. The last line of every command is its result
([json.md](json.md)). Readers should ignore types and fields that they do not know: new ones may come. No event holds a
secret.

"""


def pages() -> dict[Path, str]:
    """The pages by their files."""
    return {
        FOLDER / "cli.md": "".join(_cli()),
        FOLDER / "events.md": "".join(_events()),
        FOLDER / "ftl-yaml.md": reference_yaml.page(),
        manual.FILE: manual.page(),
        packages_picture.FILE: packages_picture.page(),
    }


def _cli() -> Iterator[str]:
    yield CLI
    yield "## Global options\n\nEvery command takes them, before or after its name.\n\n"
    yield "| option | meaning |\n|---|---|\n"
    for flags, word, text in OPTIONS.values():
        yield f"| `{', '.join(flags)}{' ' + word if word else ''}` | {_cell(text)} |\n"
    for section, commands in sections():
        yield f"\n## {section}\n"
        for command in commands:
            yield from _command(command)


def _command(command: CommandHelp) -> Iterator[str]:
    heading = "#" * (3 + command.depth)
    yield f"\n{heading} {command.path}\n\n```\n{command.usage}\n```\n\n{_prose(command.text)}\n"
    if command.options:
        yield "\n| option | meaning |\n|---|---|\n"
        for flags, text in command.options.items():
            yield f"| `{_cell(flags)}` | {_cell(text)} |\n"


def _prose(text: str) -> str:
    """A docstring as Markdown, its paragraphs filled."""
    return "\n\n".join(
        textwrap.fill(" ".join(part.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
        for part in cleandoc(text).split("\n\n")
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _events() -> Iterator[str]:
    yield EVENTS
    defined = [each for module in (event, build, transfer, steps) for each in vars(module).values()]
    kinds = [each for each in defined if isinstance(each, type) and issubclass(each, Event)]
    for kind in dict.fromkeys(kinds):
        if "type" not in vars(kind):  # another class of a type, or the base of all
            continue
        yield f"## {kind.type}\n\n{_prose(getdoc(kind) or '')}\n\n"
        yield "| field | type |\n|---|---|\n"
        hints = get_type_hints(kind)
        for field in fields(kind):
            yield f"| `{field.name}` | {_kind(hints[field.name])} |\n"
        yield "\n"


_WORDS = {str: "string", int: "number", float: "number", bool: "true or false", NoneType: "null"}


def _kind(annotation: Any) -> str:
    """A Python type in the words of JSON."""
    parts = get_args(annotation)
    match get_origin(annotation):
        case None:
            return _WORDS[annotation]
        case origin if origin is Literal:
            return " or ".join(f"`{value!r}`" for value in parts)
        case origin if origin is tuple:
            return f"list of {_kind(parts[0])}s"
        case _:
            return " or ".join(map(_kind, parts))


def main() -> None:
    """Write the pages."""
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
