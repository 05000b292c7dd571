"""Variables of .env files that are not the values of the secrets with their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.variables.sources import ENV_FILE

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.config.models.secret import Secret
    from ftl.config.variables.env_file import Variable
    from ftl.config.variables.sources import Variables


def shadow_notes(project: Project, variables: Variables) -> tuple[str, ...]:
    """A note on each variable of a .env file for which `secrets` has another source, which wins.

    None where the secret's own command reads the variable.
    """
    notes = []
    for index, secret in enumerate(project.secrets):
        by_variable = not (secret.command or secret.file or secret.age) and secret.env in (None, secret.name)
        if by_variable or secret.name not in variables:
            continue
        variable = variables.find(secret.name)
        if variable.location is None or _reads(project, index, secret, variable):
            continue
        location = project.locations.nearest("secrets", index)
        overlay = variable.location.file.name.rpartition("/")[2].removeprefix(ENV_FILE).removeprefix(".")
        # In ftl.yaml this would be the source of all environments.
        own = f", or write `{secret.name}: {{env: {secret.name}}}` below `secrets` in ftl.{overlay}.yaml"
        notes.append(
            f"{variable.origin}: {secret.name} is not what `secrets` takes, which has another source for it "
            f"({location.shown}): remove the line{own if overlay else ''}"
        )
    return tuple(notes)


def _reads(project: Project, index: int, secret: Secret, variable: Variable) -> bool:
    """Whether a secret's command has the variable: as `$NAME` for a shell, or its value, that FTL put there."""
    command = secret.command or ""
    text = command if isinstance(command, str) else " ".join(command)
    if re.search(rf"\$\{{?{re.escape(secret.name)}(?!\w)", text):
        return True
    place = ("secrets", index, "command")
    has_variables = any(path[: len(place)] == place for path in project.masked)
    return has_variables and bool(variable.value) and variable.value in text
