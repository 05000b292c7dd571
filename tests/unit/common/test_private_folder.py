"""Private folders are removed with their process, even one that is killed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import pytest

from ftl.common.private_folder import private_folder

if TYPE_CHECKING:
    from pathlib import Path

_HOLD = """
import sys
from ftl.common.private_folder import private_folder
with private_folder("ftl-test-") as folder:
    (folder / "secret").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_killed_processs_folder_is_removed_by_the_next_process(temporary: Path) -> None:
    """While the process runs its folder stays; once it was killed the next process removes it."""
    argv = [sys.executable, "-c", _HOLD]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = other.stdout.readline().strip()
        with private_folder("ftl-test-") as ours:
            assert stat.S_IMODE(ours.stat().st_mode) == 0o700
            assert {str(one) for one in temporary.iterdir()} == {theirs, str(ours)}
        other.kill()
    assert [str(one) for one in temporary.iterdir()] == [theirs], (
        "nothing is left but what it could not remove"
    )
    with private_folder("ftl-test-") as ours:
        assert list(temporary.iterdir()) == [ours]
    assert list(temporary.iterdir()) == []


def test_an_empty_folder_of_a_killed_process_is_removed_once_it_is_old(temporary: Path) -> None:
    """A new empty folder may be one that is about to be locked."""
    new, old = temporary / "ftl-test-new", temporary / "ftl-test-old"
    for path, age in ((new, 0), (old, 3600)):
        path.mkdir()
        os.utime(path, (time.time() - age, time.time() - age))
    with private_folder("ftl-test-"):
        assert (new.exists(), old.exists()) == (True, False)


def test_other_files_and_folders_stay(temporary: Path) -> None:
    """Links, files, folders of other names and the targets of links are not removed."""
    kept = temporary / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (temporary / "ftl-test-link").symlink_to(kept)
    (temporary / "ftl-test-file").write_text("x")
    left = temporary / "ftl-test-left"
    left.mkdir()
    (left / "contexts").symlink_to(kept)
    with private_folder("ftl-test-"):
        assert not left.exists()
    assert {one.name for one in temporary.iterdir()} == {"kept", "ftl-test-link", "ftl-test-file"}
    assert (kept / "file").exists()
