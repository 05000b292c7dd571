"""Match files against `.dockerignore` as BuildKit does.

The rules are those of moby/patternmatcher (`ignorefile.ReadAll`, `MatchesUsingParentResults`), which the docker CLI
applies when it sends the context: `*` and `?` stop at a slash, `**` is any number of folders, `!` re-includes, a match
of a folder counts for all that is below it, and a later pattern overrides an earlier one. An end-to-end test
compares them with the real builder.

CLIs before 23.0, which have BuildKit built in, differ (`fileutils.Matches`): of the folders above a path they look at
one only, the one as deep as the pattern, and they find nothing below an ignored folder unless a `!` pattern begins
with its path.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from ftl.common.files import read_small_file
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SPACE = " \t\n\v\f\r\x85\xa0"
"""White space as Go's strings.TrimSpace has it, as files have it; Python's strip removes U+001C to U+001F too."""

_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    regex: re.Pattern[str]
    negated: bool


@dataclass(frozen=True, slots=True)
class Match:
    """Result for one path.

    `matches` says for each pattern whether it matched the path or a folder above; for the paths below.
    """

    ignored: bool
    matches: tuple[bool, ...]


class DockerIgnore:
    """Patterns of one ignore file; `top` is the match of the context itself, for its paths."""

    def __init__(
        self, lines: Sequence[str] = (), source: Path | None = None, *, old_rules: bool = False
    ) -> None:
        self.source = source
        self._old_rules = old_rules
        self._patterns = tuple(pattern for line in lines if (pattern := _pattern(line)) is not None)
        self.top = Match(False, (False,) * len(self._patterns))

    def match(self, path: str, parent: Match) -> Match:
        """Match `path` (with `/`, relative to the root), given the match of its parent folder.

        As in the original, a pattern that cannot change the result any more is not evaluated, and so counts as no
        match for the paths below.
        """
        if self._old_rules:
            return Match(self._is_ignored_by_old(path), parent.matches)
        ignored = False
        matches: list[bool] = []
        for pattern, inherited in zip(self._patterns, parent.matches, strict=True):
            matched = inherited or (pattern.negated == ignored and bool(pattern.regex.fullmatch(path)))
            matches.append(matched)
            ignored = not pattern.negated if matched else ignored
        return Match(ignored, tuple(matches))

    def _is_ignored_by_old(self, path: str) -> bool:
        folders = path.split("/")[:-1]
        ignored = False
        for pattern in self._patterns:
            depth = pattern.text.count("/") + 1
            above = "/".join(folders[:depth]) if depth <= len(folders) else path
            if pattern.regex.fullmatch(path) or pattern.regex.fullmatch(above):
                ignored = not pattern.negated
        return ignored

    def may_reinclude_below(self, folder: str) -> bool:
        """Whether a `!` pattern could re-include something below an ignored folder."""
        if self._old_rules:
            return any(
                pattern.negated and f"{pattern.text}/".startswith(f"{folder}/") for pattern in self._patterns
            )
        return any(pattern.negated and _could_be_below(pattern.text, folder) for pattern in self._patterns)


def read_dockerignore(context: Path, dockerfile: Path, *, old_rules: bool = False) -> DockerIgnore:
    """Read `NAME.dockerignore` next to the Dockerfile, else `.dockerignore` of the context.

    BuildKit reads them inside of what it was sent. A link that leads out of the folder is therefore followed as if
    the folder were the root of a file system; mostly there is nothing then, and the file has no effect.
    """
    for folder, name in ((dockerfile.parent, f"{dockerfile.name}.dockerignore"), (context, ".dockerignore")):
        try:
            data = read_small_file(_resolve_in_root(folder, name))
        except OSError:
            continue
        lines = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").split("\n")
        return DockerIgnore(lines, folder / name, old_rules=old_rules)
    return DockerIgnore()


def _resolve_in_root(root: Path, name: str) -> Path:
    """Follow links as if `root` were the root folder (continuity, `fs.RootPath`).

    Raises:
        OSError: There are too many links.
    """
    resolved: list[str] = []
    pending = [name]
    links = 0
    while pending:
        part = pending.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            resolved = resolved[:-1]
            continue
        try:
            target = os.readlink(root.joinpath(*resolved, part))  # noqa: PTH115 -- a text, not a path
        except OSError:  # no link, or nothing there
            resolved.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(f"too many links at {name}")
        resolved = [] if target.startswith("/") else resolved
        pending = [*target.split("/"), *pending]
    return root.joinpath(*resolved)


def _pattern(line: str) -> _Pattern | None:
    if line.startswith("#"):
        return None
    text = line.strip(_SPACE)
    negated = text.startswith("!")
    text = text.removeprefix("!").strip(_SPACE)
    cleaned = posixpath.normpath(text).lstrip("/") if text else ""
    if not cleaned or cleaned == ".":
        return None
    try:
        return _Pattern(cleaned, re.compile(_regex(cleaned), re.DOTALL), negated)
    except re.error:  # "[z-a]": the builder reports it
        return None


def _regex(pattern: str) -> str:
    """Translate a pattern into a regular expression for the whole path.

    `**` at the end is everything; elsewhere it is folders, and nothing else: `a**b` does not match `axb`. At the
    beginning of a pattern without any other wildcard the original compares suffixes, so that `**b` does match `axb`.
    """
    if pattern.startswith("**") and not re.search(r"[*?\[\]\\]", pattern[2:]):
        suffix = pattern[2:]
        folders = "(?:.*/)?" if suffix.startswith("/") else ".*"
        return folders + re.escape(suffix.removeprefix("/"))
    out: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**", position):
            position += 3 if pattern.startswith("**/", position) else 2
            out.append("(?:.*/)?" if position < len(pattern) else ".*")
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
