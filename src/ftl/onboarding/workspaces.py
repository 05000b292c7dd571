"""Packages of workspaces, whose lock file is in a folder above."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from ftl.errors import UsageError
from ftl.onboarding.folder import AppFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCKS = ("pnpm-lock.yaml", "yarn.lock", "package-lock.json", "bun.lock", "bun.lockb", "npm-shrinkwrap.json")
_MOST_ABOVE = 4


def refuse_member(folder: AppFolder) -> None:
    """Refuse a package of a workspace: it is installed from the workspace's top alone.

    Raises:
        UsageError: It is one.
    """
    path = folder.path.resolve()
    for depth, above in enumerate(list(path.parents)[:_MOST_ABOVE], 1):
        top = AppFolder(above)
        name = path.relative_to(above).as_posix()
        if _is_member(folder, top, name):
            up = "/".join([".."] * depth)
            raise UsageError(
                f"this folder is a package of the monorepo in {up}",
                hint=f"its packages share the lock file there, so that an app is built from there: write "
                f"{name}/Dockerfile with paths from {up}, and an ftl.yaml there with "
                f"`build: {{context: ., dockerfile: {name}/Dockerfile}}`",
            )


def _is_member(folder: AppFolder, top: AppFolder, name: str) -> bool:
    if folder.has("package.json") and not folder.has(*_LOCKS):
        return any(fnmatch(name, pattern) for pattern in _patterns(top))
    if folder.has("pyproject.toml") and not folder.has("uv.lock"):
        is_top = "[tool.uv.workspace]" in top.read("pyproject.toml")
        return is_top and re.search(r"\bworkspace\s*=\s*true", folder.read("pyproject.toml")) is not None
    return False


def _patterns(top: AppFolder) -> Iterator[str]:
    """Patterns of the folders that are packages of a workspace of Node."""
    listed = re.search(
        r"^packages:[ \t]*\n((?:[ \t]*(?:-.*|#.*)?\n?)*)", top.read("pnpm-workspace.yaml"), re.MULTILINE
    )
    for item in re.findall(r"^[ \t]*-\s*[\"']?([^\"'\n#]+)", listed[1] if listed else "", re.MULTILINE):
        yield item.strip().removeprefix("./").rstrip("/")
    given = top.read_json("package.json").get("workspaces")
    given = given.get("packages") if isinstance(given, dict) else given
    for pattern in given if isinstance(given, list) else ():
        yield str(pattern).removeprefix("./").rstrip("/")
