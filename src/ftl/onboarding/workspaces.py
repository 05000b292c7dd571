"""Packages of workspaces, whose lock file is in a folder above."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ftl.errors import UsageError
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.foreign_yaml import documents, texts
from ftl.onboarding.stacks.java.builds import BUILD_FILES, module_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_LOCKS = ("pnpm-lock.yaml", "yarn.lock", "package-lock.json", "bun.lock", "bun.lockb", "npm-shrinkwrap.json")
_MOST_ABOVE = 4


def refuse_member(folder: AppFolder) -> None:
    """Refuse a package of a workspace: it is installed from the workspace's top alone.

    A file of a folder above that cannot be read makes no workspace: it may be of something else.

    Raises:
        UsageError: It is one.
    """
    path = folder.path.resolve()
    for depth, above in enumerate(list(path.parents)[:_MOST_ABOVE], 1):
        top = AppFolder(above)
        name = path.relative_to(above).as_posix()
        if _is_member(folder, top, name):
            up = "/".join([".."] * depth)
            if folder.has(*BUILD_FILES):
                raise UsageError(
                    f"this folder is a module of the project in {up}",
                    hint=f"its build file needs the one there: run `ftl init` in {up}",
                )
            raise UsageError(
                f"this folder is a package of the monorepo in {up}",
                hint=f"its packages share the lock file there, so that an app is built from there: write "
                f"{name}/Dockerfile with paths from {up}, and an ftl.yaml there with "
                f"`build: {{context: ., dockerfile: {name}/Dockerfile}}`",
            )


def _is_member(folder: AppFolder, top: AppFolder, name: str) -> bool:
    if folder.has(*BUILD_FILES):
        try:
            return name in module_folders(top)
        except UsageError:
            return False
    if folder.has("package.json") and not folder.has(*_LOCKS):
        return any(is_among(name, patterns) for patterns in _patterns(top))
    if folder.has("pyproject.toml") and not folder.has("uv.lock"):
        tool = _readable(top.read_toml, "pyproject.toml").get("tool")
        uv = tool.get("uv") if isinstance(tool, dict) else None
        is_top = isinstance(uv, dict) and "workspace" in uv
        return is_top and re.search(r"\bworkspace\s*=\s*true", folder.read("pyproject.toml")) is not None
    return False


def _readable(read: Callable[[str], dict[str, object]], name: str) -> dict[str, object]:
    """The mapping in a file of a folder above; empty if it cannot be read."""
    try:
        return read(name)
    except UsageError:
        return {}


def _patterns(top: AppFolder) -> Iterator[list[str]]:
    """Patterns of the folders that are packages of a workspace of Node: a list for each file."""
    try:
        declared = top.read("pnpm-workspace.yaml")
    except UsageError:
        declared = ""
    for document in documents(declared):
        yield texts(document.get("packages"))
    given = _readable(top.read_json, "package.json").get("workspaces")
    given = given.get("packages") if isinstance(given, dict) else given
    yield [str(pattern) for pattern in given] if isinstance(given, list) else []


def is_among(name: str, patterns: Sequence[str]) -> bool:
    """Whether patterns of pnpm, npm or yarn name a folder: one with `!` before it excludes."""
    path = name.split("/")
    included = [pattern for pattern in patterns if not pattern.startswith("!")]
    excluded = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    return any(_fits(path, _parts(pattern)) for pattern in included) and not any(
        _fits(path, _parts(pattern)) for pattern in excluded
    )


def _parts(pattern: str) -> list[str]:
    """The parts of a pattern; `**/**` is one `**`."""
    parts = [part for part in pattern.strip().split("/") if part not in ("", ".")]
    return [part for before, part in zip(["", *parts], parts, strict=False) if (before, part) != ("**", "**")]


def _fits(path: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a path fits: `*` stays within its part, `**` is any number of them."""
    if not parts:
        return not path
    if parts[0] == "**":
        return any(_fits(path[count:], parts[1:]) for count in range(len(path) + 1))
    return bool(path) and _part_fits(path[0], parts[0]) and _fits(path[1:], parts[1:])


def _part_fits(name: str, pattern: str) -> bool:
    choice = re.fullmatch(r"([^{}]*)\{([^{}]*)\}([^{}]*)", pattern)
    if choice is None:
        return fnmatchcase(name, pattern)
    return any(fnmatchcase(name, f"{choice[1]}{each}{choice[3]}") for each in choice[2].split(","))
