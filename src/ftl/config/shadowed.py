"""Variables of .env files that a secret's own source makes ineffective."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.config.variables.sources import Variables


def shadow_notes(project: Project, variables: Variables) -> tuple[str, ...]:
    """A note on each variable of a .env file for which `secrets` has another source, which wins."""
    notes = []
    for index, secret in enumerate(project.secrets):
        by_variable = not (secret.command or secret.file or secret.age) and secret.env in (None, secret.name)
        if by_variable or secret.name not in variables or variables.find(secret.name).mark is None:
            continue
        mark = project.marks.nearest("secrets", index)
        own = f" below `secrets` in ftl.{project.environment}.yaml" if project.environment else " there"
        notes.append(
            f"{variables.find(secret.name).origin}: {secret.name} has no effect, since `secrets` has another source "
            f"for it ({mark.file.name}:{mark.line}): remove the line, or write "
            f"`{secret.name}: {{env: {secret.name}}}`{own}"
        )
    return tuple(notes)
