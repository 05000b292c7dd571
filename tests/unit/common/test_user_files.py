"""Small JSON files in the user's cache and state folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.user_files import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """The folder is created, the new object replaces the old one, and no temporary file stays."""
    path = tmp_path / "below" / "x.json"
    write_json(path, {"a": 1})
    write_json(path, {"b": 2})
    assert read_json(path) == {"b": 2}
    assert [file.name for file in path.parent.iterdir()] == ["x.json"]


def test_a_file_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    """A read-only home folder costs the cache, not the build."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    write_json(blocked / "below" / "x.json", {"a": 1})
    assert read_json(blocked / "below" / "x.json") == {}
