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

    from ftl.onboarding.takeover.report import KeyReport

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


KAMAL = "service: shop\nimage: shop\nservers: [192.0.2.1]\n"
OF_GIT = "# secrets\n/config/*.key\n!/config/public.key\n*.pem\nlog/\n"


@pytest.mark.parametrize(
    ("path", "is_out"),
    [("config/master.key", True), ("config/public.key", False), ("a/b/c.pem", True), ("log/x", True), ("a/log/x", True),
     ("master.key", False)],
)  # fmt: skip
def test_what_git_ignores_is_not_in_an_image_of_kamal(tmp_path: Path, path: str, is_out: bool) -> None:
    """Kamal builds a clone, which has none of it; FTL the folder, with keys in it."""
    put_files(tmp_path, {"config/deploy.yml": KAMAL, ".gitignore": OF_GIT, "Dockerfile": "FROM x"})
    files = take_over([tmp_path / "config/deploy.yml"], tmp_path, {}).files
    put_files(tmp_path, {".dockerignore": files[".dockerignore"]})
    assert bool(not_ignored(tmp_path, [path])) is not is_out


def test_what_git_ignores_is_told_where_there_is_a_dockerignore(tmp_path: Path) -> None:
    """A folder that the file names was built by Kamal, too."""
    files = {
        "config/deploy.yml": KAMAL,
        ".gitignore": OF_GIT,
        "Dockerfile": "FROM x",
        "config/master.key": "x",
    }
    files |= {"a.pem": "x", ".dockerignore": ".git\n.env\nftl.yaml\n*.pem\n"}
    put_files(tmp_path, files)
    (row,) = [row for row in _rows(tmp_path) if row.key == ".dockerignore"]
    assert row.text.endswith(": config/master.key")
    (row,) = [row for row in _rows(tmp_path) if row.key == "builder.context"]
    assert "not committed" in row.text
    put_files(tmp_path, {"config/deploy.yml": f"{KAMAL}builder: {{arch: amd64, context: .}}\n"})
    assert not [row for row in _rows(tmp_path) if row.key == ".dockerignore"]


def _rows(folder: Path) -> list[KeyReport]:
    return take_over([folder / "config/deploy.yml"], folder, {}).report.rows
