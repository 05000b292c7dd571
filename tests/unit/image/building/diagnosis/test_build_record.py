"""Build records: what the next build is compared with."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from ftl.image.building.diagnosis.build_record import (
    CurrentBuild,
    changed_paths,
    fingerprint_files,
    load_record,
    next_record,
    record_path,
    save_record,
)
from ftl.image.building.inputs.context import walk_context
from ftl.image.building.inputs.dockerfile import parse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without records."""
    folder = tmp_path / "home"
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_a_saved_record_is_loaded_unchanged(tmp_path: Path) -> None:
    """The file has everything that the next build compares with, and only its owner can read it."""
    (tmp_path / "a").write_text("x")
    dockerfile = parse("FROM x\nRUN a\n")
    build = CurrentBuild(
        dockerfile,
        args={"A": "1"},
        bases={"x": "sha256:1"},
        settings={"target": ""},
        files=fingerprint_files(walk_context(tmp_path, tmp_path / "Dockerfile"), None),
    )
    record = next_record(None, build, [(dockerfile.instructions[1], 2.5)], "sha256:c")
    path = record_path(tmp_path, "web")
    save_record(path, record)
    assert load_record(path) == record
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 0}', '{"format": 1}', '{"format": 1, "files": 3}']
)
def test_an_invalid_record_is_ignored(content: str, tmp_path: Path) -> None:
    """A record of another version, or a truncated one, is the same as none."""
    path = tmp_path / "record.json"
    path.write_text(content)
    assert load_record(path) is None


def test_records_are_separate_by_project_and_service(tmp_path: Path) -> None:
    """The same service name in another project folder has another record."""
    paths = {record_path(tmp_path / root, service) for root in ("a", "b") for service in ("web", "api")}
    assert len(paths) == 4


def test_only_changed_files_are_read_again(tmp_path: Path) -> None:
    """A file of the same size and time is not read again; a rewritten one is."""
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    dockerfile = parse("FROM x\n")
    first = fingerprint_files(walk_context(tmp_path, tmp_path / "Dockerfile"), None)
    record = next_record(None, CurrentBuild(dockerfile, {}, {}, {}, first), [], "")
    (tmp_path / "b").write_text("2wo")
    second = fingerprint_files(walk_context(tmp_path, tmp_path / "Dockerfile"), record)
    assert second["a"] is not None
    assert changed_paths(second, first) == ["b"]
