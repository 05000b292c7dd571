"""Files that `ftl init` writes: all of them or none, whatever the names in a folder are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.errors import UsageError
from ftl.onboarding.new_files import write
from ftl.onboarding.starter import make_start
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over

from .conftest import put_files

if TYPE_CHECKING:
    from pathlib import Path

FLASK = {"requirements.txt": "flask\n", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}


@pytest.mark.parametrize(
    "name", [b"caf\xe9/x\xe9.py", b"a\nservices: x.py", "é/ü.py".encode(), b"a\x1b[31m.py"]
)
def test_names_of_files_are_comments_that_yaml_can_have(tmp_path: Path, name: bytes) -> None:
    """A name that is no UTF-8 made an empty ftl.yaml; one with a line break would be a key of it."""
    put_files(tmp_path, FLASK)
    path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 -- of bytes
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    with open(path, "w") as file:  # noqa: PTH123
        file.write("import os; os.environ['A_KEY']; os.environ['SECRET_KEY']\n")
    write(tmp_path, make_start(tmp_path).files, file="ftl.yaml")
    project = load(ProjectFiles(tmp_path / "ftl.yaml", read_variables(tmp_path, {})))
    assert [service.name for service in project.services] == ["web"]
    text = (tmp_path / "ftl.yaml").read_text("utf-8")
    assert "A_KEY" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "files", [{"ftl.yaml": "a", "x/y": "b"}, {"a" * 300: "x", "ftl.yaml": "a", "b": "c"}]
)
def test_nothing_is_half_done(tmp_path: Path, files: dict[str, str]) -> None:
    """If one file cannot be written, none is left."""
    with pytest.raises(UsageError, match="cannot be written"):
        write(tmp_path, files, file="ftl.yaml")
    assert list(tmp_path.iterdir()) == []


def test_an_internal_error_leaves_no_file(tmp_path: Path) -> None:
    """A later `ftl init` finds no ftl.yaml that is in its way."""
    with pytest.raises(UnicodeEncodeError):
        write(tmp_path, {"ftl.yaml": "\ud800", "b": "x"}, file="ftl.yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path, name: str) -> None:
    """It was told to be written, and was not."""
    put_files(tmp_path, FLASK)
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(UsageError, match="is a link to a file that does not exist"):
        make_start(tmp_path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """It was told to be kept."""
    put_files(tmp_path, {**FLASK, "Dockerfile/x": ""})
    with pytest.raises(UsageError, match="Dockerfile is a folder"):
        make_start(tmp_path)


def test_a_file_beside_that_exists_is_kept_and_told(tmp_path: Path) -> None:
    """The report says that the new one is not there."""
    text = 'services: {web: {build: {dockerfile_inline: "FROM x"}, ports: ["80:80"]}}'
    put_files(tmp_path, {"compose.yaml": text, "Dockerfile.web": "FROM mine"})
    result = take_over([tmp_path / "compose.yaml"], tmp_path, {})
    assert "Dockerfile.web" not in result.files
    assert {row.key: row.verdict for row in result.report.rows}["Dockerfile.web"] is Verdict.NEEDS_YOU


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """It was read as empty: a Flask app became a program without a port."""
    put_files(tmp_path, {**FLASK, "requirements.txt": "flask\n" + "#" * 1_000_001})
    with pytest.raises(UsageError, match=r"requirements\.txt cannot be read"):
        make_start(tmp_path)
    put_files(tmp_path, {"requirements.txt": "flask\n", "big.py": "#" * 1_000_001})
    assert make_start(tmp_path).app.stack == "Flask"
