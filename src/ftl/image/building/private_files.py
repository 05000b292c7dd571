"""Files that a build would put into an image although they are meant for nobody: what `.env` holds is secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.events import Note
from ftl.image.building.cache_miss import context_sources, source_covers

if TYPE_CHECKING:
    from ftl.image.building.context import Context
    from ftl.image.building.dockerfile import Dockerfile

_SAMPLES = (".example", ".sample", ".template", ".dist")
"""Ends of names whose files are there to be read."""


def private_files(context: Context, dockerfile: Dockerfile) -> list[tuple[str, int]]:
    """Each file of variables that an instruction copies: its path in the context, and the instruction's line."""
    reading = [
        (step.line, context_sources(step))
        for step in dockerfile.instructions
        if step.keyword in ("COPY", "ADD")
    ]
    found = [
        (
            path,
            next((line for line, sources in reading if any(source_covers(one, path) for one in sources)), 0),
        )
        for path in sorted(context.files)
        if _is_private(path)
    ]
    return [(path, line) for path, line in found if line]


def private_note(service: str, context: Context, dockerfile: Dockerfile) -> Note | None:
    """A warning of the first such file; None where there is none."""
    for path, line in private_files(context, dockerfile):
        ignore = context.ignore.name if context.ignore else ".dockerignore"
        return Note(
            f"{service}: {dockerfile.path}:{line} puts {path} into the image, where all who get it may read it",
            "warning",
            hint=f"name {path} in {ignore}",
        )
    return None


def _is_private(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name == ".env" or (name.startswith(".env.") and not name.endswith(_SAMPLES))
