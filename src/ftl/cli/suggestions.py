"""Suggestions for a mistyped command or option, and for another tool's word for it.

A suggestion never does more than what was typed: `ftl stop` must not lead to `setup`, which changes the server, only
because the two share letters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CUTOFF = 0.77
"""Least ratio (difflib) of a misspelling: 0.83 for `deplyo`, but 0.75 for `set` and `setup`."""

COMMANDS = {
    "bash": "exec",
    "check": "validate",
    "delete": "remove",
    "destroy": "remove",
    "diff": "plan",
    "down": "remove",
    "history": "releases",
    "images": "status",
    "inspect": "status",
    "kill": "",
    "lint": "validate",
    "list": "status",
    "log": "logs",
    "ls": "status",
    "new": "init",
    "preview": "plan",
    "ps": "status",
    "restart": "",
    "revert": "rollback",
    "rm": "remove",
    "scale": "",
    "shell": "exec",
    "ssh": "exec",
    "start": "",
    "stop": "",
    "tail": "logs",
    "top": "status",
    "tunnel": "tunnels",
    "undo": "rollback",
    "uninstall": "remove",
    "up": "deploy",
}
"""Command of docker, Compose or Kamal -> the one that does the same; empty where none does."""

OPTIONS = {
    "--config": "--file",
    "--debug": "--verbose",
    "--host": "--server",
    "--port": "",
    "--only": "",
    "--service": "",
    "--tail": "--lines",
    "--until": "",
}
"""Option of another tool -> ours that means the same; empty where none does."""


def similar_commands(word: str, commands: Iterable[str]) -> list[str]:
    """The commands that were probably meant by `word`, the likeliest first."""
    return _similar(word, COMMANDS, list(commands))


def similar_options(word: str, options: Iterable[str]) -> list[str]:
    """The options that were probably meant by `word`, the likeliest first."""
    return _similar(word, OPTIONS, list(options))


def _similar(word: str, synonyms: dict[str, str], known: list[str]) -> list[str]:
    from difflib import get_close_matches

    if word in synonyms:
        return [synonyms[word]] if synonyms[word] in known else []
    return get_close_matches(word, known, n=2, cutoff=CUTOFF)
