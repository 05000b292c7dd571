"""`.dockerignore`: which files of a context never travel, by Docker's own rules.

The rules (docs.docker.com, "Build context"; moby/patternmatcher): Go's filepath.Match a path segment at a
time, `**` for any number of segments, `!` takes files back, the last match wins, and what matches a folder
matches all below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    regex: re.Pattern[str]
    negated: bool


Matches = tuple[bool, ...]
"""For each pattern, whether it matches a path or a folder above it."""


class DockerIgnore:
    """The patterns of one file; `source` is the file, None where there is none."""

    def __init__(self, lines: Sequence[str] = (), source: Path | None = None) -> None:
        self.source = source
        self._patterns = tuple(pattern for line in lines if (pattern := _pattern(line)) is not None)
        self._has_negation = any(pattern.negated for pattern in self._patterns)
        self.top: Matches = (False,) * len(self._patterns)

    def match(self, path: str, above: Matches) -> Matches:
        """How the patterns take `path` (with `/`, from the root), given how they took its folder."""
        return tuple(
            inherited or pattern.regex.fullmatch(path) is not None
            for pattern, inherited in zip(self._patterns, above, strict=True)
        )

    def is_ignored(self, matches: Matches) -> bool:
        """Whether a path with these matches stays behind: the last pattern that matches decides."""
        for pattern, matched in zip(reversed(self._patterns), reversed(matches), strict=True):
            if matched:
                return not pattern.negated
        return False

    def may_keep_below(self, folder: str) -> bool:
        """Whether something below an ignored folder could be taken back by a `!` pattern."""
        return self._has_negation and any(
            pattern.negated and _could_be_below(pattern.text, folder) for pattern in self._patterns
        )


def read_dockerignore(context: Path, dockerfile: Path) -> DockerIgnore:
    """The ignore file in force: `NAME.dockerignore` beside the Dockerfile goes before `.dockerignore`."""
    for path in (dockerfile.with_name(dockerfile.name + ".dockerignore"), context / ".dockerignore"):
        try:
            return DockerIgnore(path.read_text(errors="replace").splitlines(), path)
        except OSError:
            continue
    return DockerIgnore()


def _pattern(line: str) -> _Pattern | None:
    if line.startswith("#"):
        return None
    text = line.strip()
    negated = text.startswith("!")
    parts = [part for part in text.removeprefix("!").strip().split("/") if part not in ("", ".")]
    if not parts:
        return None
    try:
        regex = re.compile(_regex("/".join(parts)), re.DOTALL)
    except re.error:  # "[z-a]": the builder refuses it in its own words
        return None
    return _Pattern("/".join(parts), regex, negated)


def _regex(pattern: str) -> str:
    """A pattern as a regular expression for the whole path."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**/", position):
            out.append("(?:[^/]+/)*")
            position += 3
        elif pattern.startswith("**", position):
            out.append(".*")
            position += 2
        else:
            piece, position = _piece(pattern, position)
            out.append(piece)
    return "".join(out)


def _piece(pattern: str, position: int) -> tuple[str, int]:
    """One element of Go's filepath.Match."""
    char = pattern[position]
    if char == "*":
        return "[^/]*", position + 1
    if char == "?":
        return "[^/]", position + 1
    if char == "\\" and position + 1 < len(pattern):
        return re.escape(pattern[position + 1]), position + 2
    if char == "[" and (end := pattern.find("]", position + 2)) > 0:
        inner = pattern[position + 1 : end].replace("[", r"\[")
        return f"[{inner}]", end + 1
    return re.escape(char), position + 1


def _could_be_below(pattern: str, folder: str) -> bool:
    """Whether a path that `pattern` matches may lie below `folder` (or above it, taking all of it back)."""
    for wanted, actual in zip(pattern.split("/"), folder.split("/"), strict=False):
        if "**" in wanted:
            return True
        if "[" in wanted:  # a class may hold a slash: better look than miss a file
            return True
        if re.fullmatch(_regex(wanted), actual) is None:
            return False
    return True
