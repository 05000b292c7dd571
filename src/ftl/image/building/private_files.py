"""Warn about `.env` files that a build copies into the image: their values are secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.events import Note
from ftl.image.building.cache_miss import context_sources, source_covers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.image.building.context import Context
    from ftl.image.building.dockerfile import Dockerfile

_SAMPLE_SUFFIXES = (".example", ".sample", ".template", ".dist")
"""Suffixes of files without secrets, meant to be published."""


def private_files(context: Context, dockerfile: Dockerfile) -> list[tuple[str, int]]:
    """`.env` files that are copied: path in the context, and line of the COPY or ADD."""
    copies = [
        (step.line, context_sources(step))
        for step in dockerfile.instructions
        if step.keyword in ("COPY", "ADD")
    ]
    lines = {path: _copied_at(path, copies) for path in sorted(context.files) if _is_private(path)}
    return [(path, line) for path, line in lines.items() if line is not None]


def private_files_note(service: str, context: Context, dockerfile: Dockerfile) -> Note | None:
    """A warning about the first copied `.env` file; None if there is none."""
    for path, line in private_files(context, dockerfile):
        ignore = context.ignore.name if context.ignore else ".dockerignore"
        text = (
            f"{service}: {dockerfile.path}:{line} copies {path} into the image, where its users can read it"
        )
        return Note(text, "warning", hint=f"add {path} to {ignore}")
    return None


def _copied_at(path: str, copies: Sequence[tuple[int, tuple[str, ...]]]) -> int | None:
    """Line of the first instruction that copies `path`."""
    return next(
        (line for line, sources in copies if any(source_covers(source, path) for source in sources)), None
    )


def _is_private(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name == ".env" or (name.startswith(".env.") and not name.endswith(_SAMPLE_SUFFIXES))
