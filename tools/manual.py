"""Generator of man/ftl.1, the manual page, from the program itself: part of `make docs`."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING

from tools.command_help import sections

from ftl import __version__
from ftl.cli.app import cli
from ftl.cli.overview import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.command_help import CommandHelp

FILE = Path(__file__).resolve().parent.parent / "man" / "ftl.1"

EXIT = {
    "0": "Done.",
    "1": "The work failed; until the switch, the old release keeps serving.",
    "2": "ftl.yaml, a file that it names, or the command line is wrong. Nothing was changed.",
    "3": "The server cannot be reached, or its engine does not answer.",
    "4": "Another command that changes the project or the server is at work.",
    "130": "Interrupted.",
}

FILES = {
    "ftl.yaml": "The project: services, dependencies, server. Found here or in a parent folder.",
    "ftl.NAME.yaml": "What environment NAME has differently.",
    ".env, .env.NAME": "Variables for ${NAME} in ftl.yaml.",
}


def page() -> str:
    """The manual page, in man(7) macros."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '.\\" Written by `make docs` from the program itself: change the program, not this page.'
    yield f'.TH FTL 1 "" "ftl {__version__}" "User Commands"'
    yield ".SH NAME\nftl \\- deploy containerised applications to plain Linux servers over SSH"
    yield ".SH SYNOPSIS\n.B ftl\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]"
    yield ".SH DESCRIPTION"
    yield _text(cli.help or "")
    yield ".SH OPTIONS\nEvery command takes these, before or after its name."
    for flags, word, text in OPTIONS.values():
        yield from _item(", ".join(flags) + (f" {word}" if word else ""), text)
    for section, commands in sections():
        yield f".SH COMMANDS: {section.upper()}"
        for command in commands:
            yield from _command(command)
    yield ".SH EXIT STATUS"
    for code, text in EXIT.items():
        yield from _item(code, text)
    yield ".SH FILES"
    for name, text in FILES.items():
        yield from _item(name, text)
    yield ".SH SEE ALSO\n.BR docker (1),\n.BR ssh (1),\n.BR ssh_config (5)"


def _command(command: CommandHelp) -> Iterator[str]:
    yield f".SS {_escaped(command.usage)}"
    yield _text(command.text)
    for flags, text in command.options.items():
        yield from _item(flags, text)


def _item(term: str, text: str) -> Iterator[str]:
    yield f".TP\n.B {_escaped(term)}\n{_escaped(' '.join(text.split()))}"


def _text(help_text: str) -> str:
    """Paragraphs of a help text; what is indented stays as it is."""
    parts = [part for part in cleandoc(help_text).split("\n\n") if part.strip("\b\n ")]
    return "\n.PP\n".join(_paragraph(part) for part in parts)


def _paragraph(part: str) -> str:
    lines = part.strip("\b\n").split("\n")
    if any(line.startswith("  ") for line in lines):
        return ".nf\n" + "\n".join(map(_escaped, lines)) + "\n.fi"
    return _escaped(" ".join(" ".join(lines).split()))


def _escaped(text: str) -> str:
    """Text in which roff sees no escape, no hyphenation point and no request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
