"""The shell function that replaces files on servers."""

from __future__ import annotations

import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ftl.common.files import CHANGED_MEANWHILE, content_digest
from ftl.common.programs import program

if TYPE_CHECKING:
    from pathlib import Path

LOGS = """
calls=$1 fails=$2
shift 2
log() { echo "$*" >>"$calls"; [ "$1" != "$fails" ]; }
sync() { if [ -f "$1" ]; then log synced "$(cat "$1")"; else log synced-folder; fi; }
mv() { log renamed && command mv "$@"; }
chmod() { log mode "$1" && command chmod "$@"; }
"""


def replace(
    path: Path, content: str, *arguments: str, fails: str = ""
) -> tuple[subprocess.CompletedProcess[bytes], list[str]]:
    """Replace a file, with one of the calls failing; what was done, in its order."""
    calls = path.with_name("calls")
    script = program("ftl.common", "scripts/replace_file.sh") + LOGS + 'replace_file "$@"'
    argv = ("sh", "-c", script, "sh", str(calls), fails, str(path), *(arguments or ("600",)))
    done = subprocess.run(argv, input=content.encode(), check=False, capture_output=True)
    order = calls.read_text().splitlines()
    calls.unlink()
    return done, order


def names(folder: Path) -> list[str]:
    """The files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_the_content_is_on_the_disk_before_it_has_the_name(tmp_path: Path) -> None:
    """And then its folder is: a power cut at any point leaves the old file or the new one."""
    file = tmp_path / "file"
    file.write_text("old")
    done, order = replace(file, "new", "640")
    assert (done.returncode, file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (0, "new", 0o640)
    assert order == ["mode 640", "synced new", "renamed", "synced-folder"]


@pytest.mark.parametrize("fails", ["mode", "synced", "renamed"])
def test_a_failure_leaves_the_old_file_alone(fails: str, tmp_path: Path) -> None:
    """As on a full disk; nothing else stays."""
    file = tmp_path / "file"
    file.write_text("old")
    done, _ = replace(file, "new", fails=fails)
    assert (done.returncode, file.read_text(), names(tmp_path)) == (1, "old", ["file"])


def test_input_that_ended_early_is_refused(tmp_path: Path) -> None:
    """A connection that is cut looks like the end of the file; bytes are counted, not characters."""
    file = tmp_path / "file"
    file.write_text("old")
    script = program("ftl.common", "scripts/replace_file.sh") + 'replace_file "$@"'
    argv = ("sh", "-c", script, "sh", str(file), "600", "4")
    assert subprocess.run(argv, input=b"abc", check=False).returncode == 1
    assert (file.read_text(), names(tmp_path)) == ("old", ["file"])
    assert subprocess.run(argv, input="aäb".encode(), check=False).returncode == 0
    assert file.read_text() == "aäb"


def test_many_who_write_at_once_do_not_mix(tmp_path: Path) -> None:
    """Each writes a file of its own, and the last one wins whole."""
    file = tmp_path / "file"
    script = program("ftl.common", "scripts/replace_file.sh") + 'replace_file "$@"'

    def write(number: int) -> int:
        content = f"{number}\n".encode() * 20_000
        return subprocess.run(
            ("sh", "-c", script, "sh", str(file), "600"), input=content, check=False
        ).returncode

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(10, 34))) == {0}
    lines = file.read_text().splitlines()
    assert (len(lines), len(set(lines)), names(tmp_path)) == (20_000, 1, ["file"])


def test_what_a_killed_writer_left_goes_later(tmp_path: Path) -> None:
    """After an hour; a file of somebody who writes now stays, and so does one with another name."""
    for name, age in (("file.ftl-dead0000", 7200), ("file.ftl-alive000", 0), ("other.ftl-dead000", 7200)):
        path = tmp_path / name
        path.touch()
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    replace(tmp_path / "file", "new")
    assert names(tmp_path) == ["file", "file.ftl-alive000", "other.ftl-dead000"]


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        (b"old", b"old", b"new"),
        (b"old", b"theirs", b"theirs"),
        (b"old", None, None),
        (None, None, b"new"),
        (None, b"", b"new"),
        (None, b"theirs", b"theirs"),
    ],
)
def test_a_file_that_is_not_as_it_was_read_is_left_alone(
    seen: bytes | None, now: bytes | None, expected: bytes | None, tmp_path: Path
) -> None:
    """Somebody else has changed, removed or made it meanwhile; a sentence says so, and nothing else stays."""
    file = tmp_path / "file"
    if now is not None:
        file.write_bytes(now)
    script = program("ftl.common", "scripts/replace_file.sh") + 'replace_file "$@"'
    argv = ("sh", "-c", script, "sh", str(file), "640", "", content_digest(seen))
    done = subprocess.run(argv, input=b"new", check=False, capture_output=True)
    assert (file.read_bytes() if file.exists() else None) == expected
    if expected == b"new":
        assert (done.returncode, done.stdout, stat.S_IMODE(file.stat().st_mode)) == (0, b"", 0o640)
    else:
        assert done.returncode == CHANGED_MEANWHILE
        assert done.stdout.decode() == f"{file} was changed meanwhile by somebody else, and was left alone\n"
    assert names(tmp_path) == (["file"] if expected is not None else [])


def test_of_two_who_have_read_the_same_one_writes(tmp_path: Path) -> None:
    """The other sees what the first has written, however close they come."""
    file = tmp_path / "file"
    file.write_text("old")
    script = program("ftl.common", "scripts/replace_file.sh") + 'replace_file "$@"'

    def write(number: int) -> int:
        argv = ("sh", "-c", script, "sh", str(file), "600", "", content_digest(b"old"))
        return subprocess.run(
            argv, input=str(number).encode(), check=False, stdout=subprocess.DEVNULL
        ).returncode

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(write, range(24)))
    assert sorted(statuses) == [0] + [CHANGED_MEANWHILE] * 23
    assert file.read_text() == str(statuses.index(0))
    assert names(tmp_path) == ["file"]
