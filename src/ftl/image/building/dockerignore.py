"""Match files against `.dockerignore` by Docker's rules.

The rules (docs.docker.com, "Build context"; moby/patternmatcher): Go's filepath.Match for each path segment, `**` for
any number of segments, `!` re-includes files, the last match wins, and a pattern that matches a folder matches
everything below it.
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
"""For each pattern, whether it matches a path or one of its parent folders."""


class DockerIgnore:
    """Patterns of one ignore file; `source` is the file, None if there is none."""

    def __init__(self, lines: Sequence[str] = (), source: Path | None = None) -> None:
        self.source = source
        self._patterns = tuple(pattern for line in lines if (pattern := _pattern(line)) is not None)
        self._has_negation = any(pattern.negated for pattern in self._patterns)
        self.top: Matches = (False,) * len(self._patterns)

    def match(self, path: str, parent: Matches) -> Matches:
        """Match `path` (with `/`, relative to the root), given the matches of its parent folder."""
        return tuple(
            inherited or pattern.regex.fullmatch(path) is not None
            for pattern, inherited in zip(self._patterns, parent, strict=True)
        )

    def is_ignored(self, matches: Matches) -> bool:
        """Whether a path with these matches is excluded: the last pattern that matches decides."""
        for pattern, matched in zip(reversed(self._patterns), reversed(matches), strict=True):
            if matched:
                return not pattern.negated
        return False

    def may_reinclude_below(self, folder: str) -> bool:
        """Whether a `!` pattern could re-include something below an ignored folder."""
        return self._has_negation and any(
            pattern.negated and _could_be_below(pattern.text, folder) for pattern in self._patterns
        )


def read_dockerignore(context: Path, dockerfile: Path) -> DockerIgnore:
    """Read `NAME.dockerignore` next to the Dockerfile, else `.dockerignore` of the context."""
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
    except re.error:  # "[z-a]": the builder reports it
        return None
    return _Pattern("/".join(parts), regex, negated)


def _regex(pattern: str) -> str:
    """Translate a pattern into a regular expression for the whole path."""
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
            element, position = _element(pattern, position)
            out.append(element)
    return "".join(out)


def _element(pattern: str, position: int) -> tuple[str, int]:
    """Translate one element of Go's filepath.Match."""
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
    """Whether `pattern` may match a path below `folder`, or a parent of it, which re-includes all of it."""
    for segment, actual in zip(pattern.split("/"), folder.split("/"), strict=False):
        if "**" in segment:
            return True
        if "[" in segment:  # a class may contain a slash: better walk a folder than miss a file
            return True
        if re.fullmatch(_regex(segment), actual) is None:
            return False
    return True
