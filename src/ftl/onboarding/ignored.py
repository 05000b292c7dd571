"""Files that do not belong in an image: `.dockerignore`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.image.building.inputs.dockerignore import DockerIgnore, Match

NOT_FOR_IMAGES = (".git", ".env", "ftl.yaml")
"""Files that every `.dockerignore` should exclude, as those that exist of the following."""

_IF_PRESENT = (".kamal",)

DOCKERIGNORE = """\
# What the image does not need: files with secrets, and files that change without the app.
.git
.env
.env.*
!.env.example
ftl.yaml
ftl.*.yaml
.kamal
*-20??????-??????.*
"""
"""Lines of every `.dockerignore`; the last is the names of `ftl backup`."""


def names_for(context: Path) -> list[str]:
    """Names at the top of a context that do not belong in an image."""
    return [*NOT_FOR_IMAGES, *(name for name in _IF_PRESENT if (context / name).exists())]


def not_ignored(
    context: Path, names: Sequence[str] | None = None, dockerfile: str = "Dockerfile"
) -> list[str]:
    """Find those of the names at the top of a context that its .dockerignore does not exclude."""
    from ftl.image.building.inputs.dockerignore import read_dockerignore

    ignore = read_dockerignore(context, context / dockerfile)
    names = names_for(context) if names is None else names
    return [name for name in names if not _match(ignore, name).ignored]


def of_gitignore(text: str) -> list[str]:
    """Lines of a .dockerignore with the meaning of those of a .gitignore.

    A line of git without a `/` is a name at any depth.
    """
    found: list[str] = []
    for line in text.splitlines():
        pattern = line.strip().rstrip("/")
        if pattern and not pattern.startswith("#"):
            negation, pattern = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
            found.append(negation + (pattern.lstrip("/") if "/" in pattern else f"**/{pattern}"))
    return found


def matching(context: Path, lines: Sequence[str]) -> list[str]:
    """Files at the top of a context and in its `config` that lines of a .dockerignore match."""
    from ftl.image.building.inputs.dockerignore import DockerIgnore

    ignore = DockerIgnore(lines)
    paths = {*context.glob("*"), *context.glob("config/*")} if lines else set()
    files = (path for path in paths if os.path.isfile(path))  # noqa: PTH113 -- pathlib's raises where it may not look
    names = sorted(file.relative_to(context).as_posix() for file in files)
    return [name for name in names if _match(ignore, name).ignored]


def _match(ignore: DockerIgnore, path: str) -> Match:
    """The match of a path, by way of the folders above it."""
    match, above = ignore.top, ""
    for part in path.split("/"):
        above = f"{above}/{part}".lstrip("/")
        match = ignore.match(above, match)
    return match


def excluding_file(context: Path, path: str, dockerfile: str = "Dockerfile") -> str | None:
    """Name of the ignore file that excludes a path of a context and all below it, if one does."""
    from ftl.image.building.inputs.dockerignore import read_dockerignore

    ignore = read_dockerignore(context, context / dockerfile)
    if ignore.source is None or not _match(ignore, path).ignored or ignore.may_reinclude_below(path):
        return None
    return ignore.source.name
