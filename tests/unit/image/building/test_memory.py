"""What is remembered between builds: records and platforms."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from ftl.image.building.build_record import (
    changed_paths,
    fingerprint_files,
    load_record,
    next_record,
    record_path,
    save_record,
)
from ftl.image.building.context import walk_context
from ftl.image.building.dockerfile import parse
from ftl.image.json_files import read_json, write_json
from ftl.image.platforms import recall_platform, remember_platform, same_platform

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_a_record_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """Everything that the next build compares with survives the file, which only its owner can read."""
    (tmp_path / "a").write_text("x")
    dockerfile = parse("FROM x\nRUN a\n")
    record = next_record(
        None,
        dockerfile=dockerfile,
        args={"A": "1"},
        bases={"x": "sha256:1"},
        settings={"target": ""},
        files=fingerprint_files(walk_context(tmp_path, tmp_path / "Dockerfile"), None),
        seconds=[(dockerfile.instructions[1], 2.5)],
        content="sha256:c",
    )
    path = record_path(tmp_path, "web")
    save_record(path, record)
    assert load_record(path) == record
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 0}', '{"format": 1}', '{"format": 1, "files": 3}']
)
def test_a_record_that_makes_no_sense_is_none(content: str, tmp_path: Path) -> None:
    """A file of another version, or half a file, costs what was remembered and nothing more."""
    path = tmp_path / "record.json"
    path.write_text(content)
    assert load_record(path) is None


def test_services_and_projects_have_records_of_their_own(tmp_path: Path) -> None:
    """The same service name in another folder is another service."""
    paths = {record_path(tmp_path / root, service) for root in ("a", "b") for service in ("web", "api")}
    assert len(paths) == 4


def test_files_are_read_once(tmp_path: Path) -> None:
    """A file with the size and time it had is not read again, and a rewritten one is."""
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    dockerfile = parse("FROM x\n")
    first = fingerprint_files(walk_context(tmp_path, tmp_path / "Dockerfile"), None)
    record = next_record(
        None, dockerfile=dockerfile, args={}, bases={}, settings={}, files=first, seconds=[], content=""
    )
    (tmp_path / "b").write_text("2wo")
    second = fingerprint_files(walk_context(tmp_path, tmp_path / "Dockerfile"), record)
    assert second["a"] is not None
    assert changed_paths(second, first) == ["b"]


def test_a_home_that_cannot_be_written_to_costs_no_build(tmp_path: Path) -> None:
    """What cannot be remembered is not."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    write_json(blocked / "below" / "x.json", {"a": 1})
    assert read_json(blocked / "below" / "x.json") == {}


def test_a_servers_platform_is_remembered() -> None:
    """Asked once, known to every later build; a server that was never asked has none."""
    remember_platform("shop.example.com", "linux/arm64")
    remember_platform("other.example.com", "linux/amd64")
    assert (
        recall_platform("shop.example.com"),
        recall_platform("other.example.com"),
        recall_platform("third"),
    ) == (
        "linux/arm64",
        "linux/amd64",
        None,
    )


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/amd64", "linux/x86_64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/arm/v7", "linux/arm/v6", False),
    ],
)
def test_platforms_are_compared_whatever_their_spelling(one: str, other: str, equal: bool) -> None:
    """Engines and people spell one platform in several ways."""
    assert same_platform(one, other) is equal
