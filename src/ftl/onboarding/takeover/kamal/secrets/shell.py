"""Commands of Kamal's secrets that need a shell, with variables of the file replaced."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
"""A variable in a line: `$NAME` or `${NAME}`."""

_COMMAND = re.compile(r"(\"?)\$\(((?!\s*kamal )[^$`]+)\)\1")
"""A command that is not one of Kamal, and takes nothing from a shell's variables."""


class NotInShell(Exception):
    """A script cannot be written without its variables."""


def simple_command(value: str) -> list[str]:
    """The words of a command that needs no shell; none for another value."""
    match = _COMMAND.fullmatch(value)
    lexer = shlex.shlex(match[2] if match is not None else "", posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        return []
    return [] if any(set(word) <= set("();<>|&") for word in words) else words


def substituted(text: str) -> str:
    """The script of a text that is one command substitution, `$(...)`; empty for another text."""
    if not text.startswith("$(") or not text.endswith(")"):
        return ""
    depth = 0
    for position, char in enumerate(text[1:], 1):
        depth += (char == "(") - (char == ")")
        if not depth:
            return text[2:-1].strip() if position == len(text) - 1 else ""
    return ""


def script_of(text: str, replacement: Callable[[str], str | None], *, quoted: bool = False) -> str:
    """A script in which variables of the file are the commands that print them.

    Args:
        text: The script, or with `quoted` a text in double quotes.
        replacement: Text for a variable, which is put into double quotes; None for one of the environment.
        quoted: The text begins inside of double quotes.

    Raises:
        NotInShell: A variable is in single quotes, where a shell has none.
    """
    out: list[str] = []
    states = ['"' if quoted else ""]
    position = 0
    while position < len(text):
        char = text[position]
        match = REFERENCE.match(text, position)
        if match is not None and (own := replacement(match[1] or match[2])) is not None:
            if states[-1] == "'":
                raise NotInShell
            out.append(own if states[-1] == '"' else f'"{own}"')
            position = match.end()
            continue
        step = 1
        if states[-1] == "'":
            states = states[:-1] if char == "'" else states
        elif char == "\\":
            step = 2
        elif text.startswith("$(", position):
            states.append("")
            step = 2
        elif char == ")" and len(states) > 1 and states[-1] == "":
            states.pop()
        elif char == '"':
            states = states[:-1] if states[-1] == '"' and len(states) > 1 else [*states, '"']
        elif char == "'" and states[-1] == "":
            states.append("'")
        out.append(text[position : position + step])
        position += step
    return "".join(out)
