"""Small JSON files in the user's cache and state folders."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest

from ftl.common.user_files import read_json, state_file, state_path, write_json


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


@pytest.mark.parametrize("given", [None, "", "/srv/state", "/srv/state/", "relative", "~/state"])
@pytest.mark.parametrize("home", [None, "", "/home/me", "/home/me/", "relative"])
def test_the_state_folder_is_that_of_platformdirs(
    monkeypatch: pytest.MonkeyPatch, given: str | None, home: str | None
) -> None:
    """Also where its path is made without it."""
    for name, value in (("XDG_STATE_HOME", given), ("HOME", home)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert state_file("x.json") == platformdirs.user_state_path("ftl", appauthor=False) / "x.json"
    assert Path(state_path("x.json")) == state_file("x.json")
