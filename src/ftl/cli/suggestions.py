"""Suggestions for a mistyped command or option, and for another tool's word for it.

A suggestion never does more than what was typed: `set` must not lead to `setup`, which changes the server, only
because the two share letters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.suggestions import closest_match

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CUTOFF = 0.77
"""Least ratio (difflib) of a misspelling: 0.83 for `deplyo`, but 0.75 for `set` and `setup`."""

COMMANDS = {
    "bash": "exec",
    "attach": "exec",
    "cron": "jobs",
    "crontab": "jobs",
    "job": "jobs",
    "check": "validate",
    "completions": "completion",
    "convert": "init",
    "console": "exec",
    "delete": "remove",
    "destroy": "remove",
    "diff": "plan",
    "dump": "backup",
    "down": "remove",
    "history": "releases",
    "images": "status",
    "import": "init",
    "inspect": "status",
    "kill": "",
    "lint": "validate",
    "list": "status",
    "log": "logs",
    "ls": "status",
    "new": "init",
    "preview": "plan",
    "ps": "status",
    "revert": "rollback",
    "rm": "remove",
    "sh": "exec",
    "shell": "exec",
    "ssh": "exec",
    "stats": "status",
    "tail": "logs",
    "top": "status",
    "tunnel": "tunnels",
    "task": "run",
    "undo": "rollback",
    "uninstall": "remove",
    "up": "deploy",
}
"""Command of docker, Compose or Kamal -> the one that does the same; empty where none does."""

OPTIONS = {
    "--config": "--file",
    "--debug": "--verbose",
    "--detached": "--detach",
    "--host": "--server",
    "--index": "--replica",
    "--port": "",
    "--only": "",
    "--service": "",
    "--tail": "--lines",
    "--timeout": "--ttl",
}
"""Option of another tool -> ours that means the same; empty where none does."""


OTHER_COMMANDS = {("deploy", "--dry-run"): "plan"}
"""Command and an option that it lacks -> the command that does this."""


def similar_command(word: str, commands: Sequence[str]) -> str | None:
    """The command that was probably meant by `word`."""
    return _similar(word, COMMANDS, commands)


def similar_option(word: str, options: Sequence[str]) -> str | None:
    """The option that was probably meant by `word`."""
    return _similar(word, OPTIONS, options)


def _similar(word: str, synonyms: Mapping[str, str], known: Sequence[str]) -> str | None:
    suggestion = synonyms[word] if word in synonyms else closest_match(word, known, CUTOFF)
    return suggestion if suggestion in known else None
