"""The build context: what would travel to a builder that has nothing, found by walking it.

BuildKit transfers only what changed, so its own figure ("transferring context: 32B") says nothing about how
large a context is. The walk is bounded: a home folder taken for a context must not cost minutes.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl import figures
from ftl.image.building.dockerignore import DockerIgnore, Matches, read_dockerignore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LARGE = 50_000_000
"""Bytes from which on a context is worth a warning."""

_SECONDS = 2.0
_ENTRIES = 200_000

# fmt: off
DISPENSABLE = frozenset({
    ".git", ".hg", ".svn", ".venv", "venv", "env", "node_modules", "bower_components", "__pycache__",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".cache", ".gradle", ".terraform",
    ".next", ".nuxt", ".parcel-cache", ".turbo", ".idea", ".vscode", ".direnv", ".bundle", "target",
    "coverage", "htmlcov", "tmp", "log", "logs",
})
# fmt: on
"""Folders that images are seldom made of: made again by a build, or of use to developers alone."""


@dataclass(frozen=True, slots=True)
class ContextFile:
    """A file of the context: what tells that it changed without reading it."""

    size: int
    mtime_ns: int
    mode: int


@dataclass(frozen=True, slots=True)
class Context:
    """A context as it was walked.

    Attributes:
        size: Bytes of all files that are not ignored.
        files: By path from the root, with `/`; links have their target's length as size.
        folders: Bytes by folder, for the folders that are worth a name, largest first.
        ignore: The ignore file in force, None where there is none.
        whole: False where the walk was given up at its bounds, and the figures are lower bounds.
    """

    root: Path
    size: int = 0
    files: dict[str, ContextFile] = field(default_factory=dict)
    folders: tuple[tuple[str, int], ...] = ()
    ignore: Path | None = None
    whole: bool = True

    @property
    def is_large(self) -> bool:
        """Whether it deserves a warning."""
        return self.size >= LARGE

    @property
    def dispensable(self) -> tuple[tuple[str, int], ...]:
        """The named folders that an image is seldom made of."""
        return tuple((path, size) for path, size in self.folders if path.rpartition("/")[2] in DISPENSABLE)


def folders_text(folders: Sequence[tuple[str, int]], count: int = 3) -> str:
    """The largest folders with their sizes."""
    return ", ".join(f"{path} {figures.size(size)}" for path, size in folders[:count])


def walk_context(root: Path, dockerfile: Path) -> Context:
    """Walk a context with its ignore file; links are not followed, as builders do."""
    ignore = read_dockerignore(root, dockerfile)
    files: dict[str, ContextFile] = {}
    sizes: dict[str, int] = {}
    deadline = time.monotonic() + _SECONDS
    whole = True
    for count, (path, status) in enumerate(_entries(root, "", ignore, ignore.top)):
        if count >= _ENTRIES or (count % 256 == 0 and time.monotonic() > deadline):
            whole = False
            break
        files[path] = ContextFile(status.st_size, status.st_mtime_ns, status.st_mode)
        if folder := _named_folder(path):
            sizes[folder] = sizes.get(folder, 0) + status.st_size
    folders = tuple(sorted(sizes.items(), key=lambda item: -item[1]))
    return Context(root, sum(file.size for file in files.values()), files, folders, ignore.source, whole)


def _named_folder(path: str) -> str:
    """The folder that a file is counted for: the first that images are seldom made of, else the topmost."""
    parts = path.split("/")[:-1]
    for index, part in enumerate(parts):
        if part in DISPENSABLE:
            return "/".join(parts[: index + 1])
    return parts[0] if parts else ""


def _entries(
    root: Path, folder: str, ignore: DockerIgnore, above: Matches
) -> Iterator[tuple[str, os.stat_result]]:
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except OSError:  # not ours to read: the builder will say so if it needs it
        return
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        matches = ignore.match(path, above)
        ignored = ignore.is_ignored(matches)
        if entry.is_dir(follow_symlinks=False):
            if not ignored or ignore.may_keep_below(path):
                yield from _entries(root, path, ignore, matches)
        elif not ignored and (status := _status(entry)) is not None:
            yield path, status


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode) else None
