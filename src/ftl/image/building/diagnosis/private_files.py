"""Warn about files that a build copies into the image and that do not belong in it.

`.env` files, secrets of Kamal, the files of `secrets` and backups of databases have what users of the image must not
read. `.git` and ftl.yaml change without the app: with them in the image, each commit and each edit of the configuration
is a new image, and replaces all containers.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ftl.events import Note
from ftl.image.building.diagnosis.cache_miss import context_sources, source_covers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from ftl.image.building.inputs.context import Context
    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction

_SAMPLE_SUFFIXES = (".example", ".sample", ".template", ".dist")
"""Suffixes of files without secrets, meant to be published."""

_MOST_NAMED = 3

_BACKUP = re.compile(r".+-\d{8}-\d{6}\.(?:dump|sql|archive|rdb)(?:\.partial)?")
"""Names that `ftl backup` and `ftl restore` give."""

_OF_KAMAL = re.compile(r"(?:^|/)\.kamal/secrets[^/]*$")


def private_files(
    context: Context, dockerfile: Dockerfile, secret_files: Collection[Path] = ()
) -> list[tuple[str, int]]:
    """Copied files with secrets or data: path in the context, and line of the COPY or ADD.

    `secret_files` are the files of `secrets`.
    """
    copies = _copies(dockerfile.instructions)
    secret = {os.path.relpath(file, context.root) for file in secret_files}
    private = [path for path in sorted(context.files) if path in secret or _is_private(path)]
    lines = {path: _copied_at(path, copies) for path in private}
    return [(path, line) for path, line in lines.items() if line is not None]


def private_files_note(
    service: str, context: Context, dockerfile: Dockerfile, secret_files: Collection[Path] = ()
) -> Note | None:
    """A warning about the first instruction that copies files with secrets or data, if any."""
    found = private_files(context, dockerfile, secret_files)
    if not found:
        return None
    first = min(line for _, line in found)
    paths = [path for path, line in found if line == first]
    few = paths if len(paths) <= _MOST_NAMED else [*paths[:_MOST_NAMED], f"{len(paths) - _MOST_NAMED} more"]
    them = "it" if len(paths) == 1 else "them"
    names = names_text(few)
    text = (
        f"{service}: {dockerfile.path}:{first} copies {names} into the image, where its users can read {them}"
    )
    return Note(text, "warning", hint=f"add {names} to {context.ignore_name}")


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
    return Note(text, "warning", hint=f"add {names_text(names)} to {context.ignore_name}")


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


def _copies(instructions: Iterable[Instruction]) -> list[tuple[int, tuple[str, ...]]]:
    return [(step.line, context_sources(step)) for step in instructions if step.keyword in ("COPY", "ADD")]


def _copied_at(path: str, copies: Sequence[tuple[int, tuple[str, ...]]]) -> int | None:
    """Line of the first instruction that copies `path`."""
    return next(
        (line for line, sources in copies if any(source_covers(source, path) for source in sources)), None
    )


def _is_private(path: str) -> bool:
    name = path.rpartition("/")[2]
    is_env_file = name == ".env" or (name.startswith(".env.") and not name.endswith(_SAMPLE_SUFFIXES))
    is_env_file |= _OF_KAMAL.search(path) is not None
    return is_env_file or _BACKUP.fullmatch(name) is not None


def _repository_file(path: str) -> str | None:
    """The name by which a path of the repository is reported; None if it is one of the app."""
    top, slash, _ = path.partition("/")
    if top == ".git":
        return top
    is_configuration = not slash and top.startswith("ftl.") and top.endswith((".yaml", ".yml"))
    return top if is_configuration else None
