"""Small JSON files in the user's cache and state folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

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


@pytest.mark.timeout(10)
def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A FIFO has no end, and a device has none either."""
    fifo, device = tmp_path / "fifo.json", tmp_path / "device.json"
    os.mkfifo(fifo)
    device.symlink_to("/dev/zero")
    assert read_json(fifo) == read_json(device) == {}
