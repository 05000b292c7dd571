"""Bounded reads: small regular files are read, everything else is refused."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ftl.common.files import read_small_file, read_small_text, regular_file_size


def test_a_regular_file_is_read_to_its_last_byte(tmp_path: Path) -> None:
    """A file of exactly the limit is read; through a link, too."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"x" * 100_000)
    link.symlink_to(file)
    assert read_small_file(file, 100_000) == read_small_file(link) == b"x" * 100_000


def test_a_larger_file_is_refused(tmp_path: Path) -> None:
    """One byte more than the limit is too much; the error names the limit and the file."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1001)
    with pytest.raises(OSError, match="larger than 1,000 bytes") as caught:
        read_small_file(file, 1000)
    assert caught.value.filename == str(file)


@pytest.mark.timeout(10)
def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    """Nothing waits for a writer, not even one that is there."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(OSError, match="it is a FIFO, not a regular file"):
        read_small_file(fifo)


def test_devices_sockets_and_folders_are_refused(tmp_path: Path) -> None:
    """/dev/zero has no end, and the others have no content."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, words in (
            (Path("/dev/zero"), "it is a character device"),
            (tmp_path / "socket", "it is a socket"),
            (tmp_path, "it is a directory"),
        ):
            with pytest.raises(OSError, match=words):
                read_small_file(path)


def test_a_missing_file_and_an_impossible_name_are_os_errors(tmp_path: Path) -> None:
    """Callers need one except clause."""
    with pytest.raises(FileNotFoundError):
        read_small_file(tmp_path / "none")
    with pytest.raises(OSError, match="not a valid file name"):
        read_small_file(Path("a\0b"))


def test_text_is_utf_8_without_a_byte_order_mark(tmp_path: Path) -> None:
    """Other encodings are refused with a sentence."""
    file = tmp_path / "file"
    file.write_bytes(b"\xef\xbb\xbfhello")
    assert read_small_text(file) == "hello"
    file.write_bytes(b"caf\xe9")
    with pytest.raises(OSError, match="not UTF-8"):
        read_small_text(file)


@pytest.mark.timeout(10)
def test_a_file_for_another_program_is_a_regular_one(tmp_path: Path) -> None:
    """A FIFO, a device or a folder is refused; /dev/null by its name is an empty file."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "null").symlink_to(os.devnull)
    (tmp_path / "file").write_bytes(b"12345")
    assert regular_file_size(tmp_path / "file") == 5
    assert regular_file_size(Path(os.devnull)) == 0
    for name, words in (
        ("fifo", "FIFO"),
        ("null", "device"),
        ("", "directory"),
        ("none", "No such"),
        ("\0", "name"),
    ):
        with pytest.raises(OSError, match=words):
            regular_file_size(tmp_path / name)
