"""`ftl init --from`: what stays out of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.ignored import not_ignored
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over

from ..conftest import put_files

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = "services: {web: {build: BUILD, ports: ['80:80']}}"


@pytest.mark.parametrize(
    ("build", "present", "name"),
    [
        (".", {}, ".dockerignore"),
        ("{context: ., dockerfile: other.Dockerfile}", {"other.Dockerfile": "FROM x"}, ".dockerignore"),
        ("./api", {"api/Dockerfile": "FROM x", "api/.env": "A=1"}, "api/.dockerignore"),
    ],
)
def test_a_context_without_dockerignore_gets_one(
    tmp_path: Path, build: str, present: dict[str, str], name: str
) -> None:
    """Secrets in .env were in the image, and each edit of ftl.yaml made a new one."""
    put_files(tmp_path, {"compose.yaml": COMPOSE.replace("BUILD", build), **present})
    files = take_over([tmp_path / "compose.yaml"], tmp_path, {}).files
    put_files(tmp_path, {name: files[name]})
    assert not not_ignored((tmp_path / name).parent)


def test_public_env_files_of_node_stay_in(tmp_path: Path) -> None:
    """A bundler reads .env.production while it builds."""
    node = {"package.json": '{"dependencies": {"vite": "5"}}', ".env.production": "VITE_URL=https://x.org\n"}
    put_files(tmp_path, {"compose.yaml": COMPOSE.replace("BUILD", "."), **node})
    text = take_over([tmp_path / "compose.yaml"], tmp_path, {}).files[".dockerignore"]
    assert "!.env.production" in text.splitlines()


@pytest.mark.parametrize(
    ("build", "present"),
    [
        ("./api", {"api/Dockerfile": "FROM x"}),
        (".", {".dockerignore": "*\n!src\n"}),
        ("{context: ., dockerfile: D}", {"D": "FROM x", "D.dockerignore": "*\n"}),
        ("https://example.org/app.git", {}),
        ("../elsewhere", {}),
    ],
)
def test_nothing_to_ignore(tmp_path: Path, build: str, present: dict[str, str]) -> None:
    """A context without such files, or whose own file excludes them, is left alone."""
    (tmp_path / "elsewhere").mkdir()
    put_files(tmp_path / "app", {"compose.yaml": COMPOSE.replace("BUILD", build), **present})
    result = take_over([tmp_path / "app" / "compose.yaml"], tmp_path / "app", {})
    assert not [name for name in result.files if name.endswith(".dockerignore")]
    assert not [row for row in result.report.rows if row.key.endswith(".dockerignore")]


def test_what_an_existing_one_lacks_is_told(tmp_path: Path) -> None:
    """It is the user's file: it is not changed."""
    put_files(tmp_path, {"compose.yaml": COMPOSE.replace("BUILD", "."), ".dockerignore": ".git\n"})
    result = take_over([tmp_path / "compose.yaml"], tmp_path, {})
    (row,) = [row for row in result.report.rows if row.key == ".dockerignore"]
    assert row.verdict is Verdict.NEEDS_YOU
    assert row.text.endswith(".env ftl.yaml")
    assert ".dockerignore" not in result.files
