"""Secrets in commands: every user of a machine sees the arguments of all its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.config.models.project import Project

_ADVICE = (
    "have the program itself read it from a variable (`secrets` or `env`) or a file (`secrets` with `file`)"
)
_LOGIN = "write the value as `password` or `token`"


def secret_argument_notes(project: Project) -> tuple[str, ...]:
    """A note on each command with a secret in its words, with its place."""
    notes: dict[str, None] = {}
    for path, names in project.secret_words.items():
        command = tuple(path[:-1]) if isinstance(path[-1], int) else path
        if path[-1] == "local":  # a text is no argument of its shell (`ftl.deploy.apply.steps.hooks`)
            continue
        location = project.locations.nearest(*path)
        location = location.used_at or location
        secrets = f"the secret {names[0]}" if len(names) == 1 else f"the secrets {' and '.join(names)}"
        seen = f"{command[-1]} has {secrets} in it, which the process list there shows to everybody"
        notes[f"{location.shown}: {seen}: {_LOGIN if command[0] == 'registries' else _ADVICE}"] = None
    return tuple(notes)
