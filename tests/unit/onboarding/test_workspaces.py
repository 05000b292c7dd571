"""Folders below a workspace: which are its packages, and what of the folders above is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.errors import UsageError
from ftl.onboarding.starter import make_start
from ftl.onboarding.workspaces import is_among

from .conftest import put_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

APP = {"package.json": json.dumps({"scripts": {"start": "node a.js"}, "dependencies": {"express": "5"}})}
PYTHON = {
    "pyproject.toml": '[project]\nname = "a"\ndependencies = ["fastapi"]\n',
    "main.py": "app = FastAPI()",
}


def below(folder: str, files: dict[str, str]) -> dict[str, str]:
    """Files in a folder."""
    return {f"{folder}/{name}": text for name, text in files.items()}


@pytest.mark.parametrize("app", [APP, PYTHON], ids=["node", "python"])
@pytest.mark.parametrize(
    "above",
    [
        {"package.json": "{"},
        {"package.json": "[]"},
        {"package.json": "x" * 1_000_001},
        {"pnpm-workspace.yaml": "packages: ["},
        {"pnpm-workspace.yaml": "x" * 1_000_001},
        {"pyproject.toml": "[tool.uv.workspace]\n["},
        {"pyproject.toml": "x" * 1_000_001},
    ],
)
def test_a_broken_file_above_is_no_workspace(
    tmp_path: Path, app: dict[str, str], above: dict[str, str]
) -> None:
    """It may be of something else, and the app is good."""
    put_files(tmp_path, {**above, **below("apps/web", app)})
    assert make_start(tmp_path / "apps/web").app.stack in ("Express", "FastAPI")


@pytest.mark.parametrize(
    ("patterns", "name", "expected"),
    [
        (["packages/*"], "packages/a", True),
        (["packages/*"], "packages/a/example", False),
        (["packages/**"], "packages/a/example", True),
        (["packages/**"], "apps/a", False),
        (["**/web"], "web", True),
        (["**/web"], "apps/x/web", True),
        (["**/**/web"], "apps/x/web", True),
        (["./apps/web/"], "apps/web", True),
        (["apps/{web,api}"], "apps/api", True),
        (["apps/{web,api}"], "apps/docs", False),
        (["packages/*", "!packages/x"], "packages/x", False),
        (["!packages/x", "packages/*"], "packages/x", False),
        (["packages/*", "!packages/x"], "packages/y", True),
        (["packages/**", "!**/test/**"], "packages/a/test/b", False),
        (["!packages/x"], "packages/y", False),
        ([], "packages/y", False),
    ],
)
def test_patterns_of_packages(patterns: Sequence[str], name: str, expected: bool) -> None:
    """As pnpm reads them."""
    assert is_among(name, patterns) is expected


@pytest.mark.parametrize(
    "listed",
    ['packages: ["apps/*"]\n', "packages:\n- apps/*\n", "packages:\n  - 'apps/*'  # all\n  - '!apps/x'\n"],
)
def test_each_form_of_the_list_is_read(tmp_path: Path, listed: str) -> None:
    """Its flow form, too."""
    put_files(tmp_path, {"pnpm-workspace.yaml": listed, **below("apps/web", APP), **below("apps/x", APP)})
    with pytest.raises(UsageError, match="a package of the monorepo"):
        make_start(tmp_path / "apps/web")
    if "!" in listed:
        assert make_start(tmp_path / "apps/x").app.stack == "Express"
