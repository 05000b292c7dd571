"""Warn about files that a build copies into the image and that do not belong in it.

`.env` files have secrets. `.git` and ftl.yaml change without the app: with them in the image, each commit and each
edit of the configuration is a new image, and replaces all containers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.events import Note
from ftl.image.building.diagnosis.cache_miss import context_sources, source_covers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.image.building.inputs.context import Context
    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction

_SAMPLE_SUFFIXES = (".example", ".sample", ".template", ".dist")
"""Suffixes of files without secrets, meant to be published."""


def private_files(context: Context, dockerfile: Dockerfile) -> list[tuple[str, int]]:
    """`.env` files that are copied: path in the context, and line of the COPY or ADD."""
    copies = _copies(dockerfile.instructions)
    lines = {path: _copied_at(path, copies) for path in sorted(context.files) if _is_private(path)}
    return [(path, line) for path, line in lines.items() if line is not None]


def private_files_note(service: str, context: Context, dockerfile: Dockerfile) -> Note | None:
    """A warning about the first copied `.env` file; None if there is none."""
    for path, line in private_files(context, dockerfile):
        text = (
            f"{service}: {dockerfile.path}:{line} copies {path} into the image, where its users can read it"
        )
        return Note(text, "warning", hint=f"add {path} to {ignore_file(context)}")
    return None


def repository_files(context: Context, instructions: Iterable[Instruction]) -> tuple[list[str], int]:
    """`.git`, ftl.yaml and its overlays, as far as instructions copy them, and the first line."""
    copies = _copies(instructions)
    lines: dict[str, int] = {}
    for path in sorted(context.files):
        name = _repository_file(path)
        if name is not None and name not in lines and (line := _copied_at(path, copies)) is not None:
            lines[name] = line
    return list(lines), min(lines.values(), default=0)


def repository_files_note(
    service: str, context: Context, dockerfile: Dockerfile, target: str | None
) -> Note | None:
    """A warning about copied files of the repository; None if there are none."""
    names, line = repository_files(context, dockerfile.image_instructions(target))
    if not names:
        return None
    text = (
        f"{service}: {dockerfile.path}:{line} copies {names_text(names)} into the image: {why_no_copy(names)}"
    )
    return Note(text, "warning", hint=f"add {names_text(names)} to {ignore_file(context)}")


def why_no_copy(names: Sequence[str]) -> str:
    """Reason against repository files in an image."""
    changes = ["each commit"] if ".git" in names else []
    changes += ["each edit of the configuration"] if any(name != ".git" for name in names) else []
    effect = "makes a new image" if len(changes) == 1 else "make a new image"
    return f"{' and '.join(changes)} {effect}, which replaces all its containers"


def names_text(names: Sequence[str]) -> str:
    """Join names: `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def ignore_file(context: Context) -> str:
    """Name of the file to add a path to."""
    return context.ignore.name if context.ignore else ".dockerignore"


def _copies(instructions: Iterable[Instruction]) -> list[tuple[int, tuple[str, ...]]]:
    return [(step.line, context_sources(step)) for step in instructions if step.keyword in ("COPY", "ADD")]


def _copied_at(path: str, copies: Sequence[tuple[int, tuple[str, ...]]]) -> int | None:
    """Line of the first instruction that copies `path`."""
    return next(
        (line for line, sources in copies if any(source_covers(source, path) for source in sources)), None
    )


def _is_private(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name == ".env" or (name.startswith(".env.") and not name.endswith(_SAMPLE_SUFFIXES))


def _repository_file(path: str) -> str | None:
    """The name by which a path of the repository is reported; None if it is one of the app."""
    top, slash, _ = path.partition("/")
    if top == ".git":
        return top
    is_configuration = not slash and top.startswith("ftl.") and top.endswith((".yaml", ".yml"))
    return top if is_configuration else None
