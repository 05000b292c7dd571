"""The questions of `ftl init` on a terminal, and none without one."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 60.0
"""Seconds for a question to appear: the machine may be busy."""

FTL = (sys.executable, "-m", "ftl", "init")
FIRST, SECOND = b"domain (empty: set it later): ", b"server, as [USER@]HOST (empty: "


def init(folder: Path, replies: dict[bytes, bytes], *arguments: str) -> tuple[int, str]:
    """Run `ftl init` on a terminal, and type a reply to each question; its status and what was shown."""
    (folder / "index.html").write_text("<p>")
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        (*FTL, *arguments), cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        try:
            for question, reply in replies.items():
                shown += _until(ours, question)
                assert question in shown
                os.write(ours, reply)
            shown += _until(ours, None)
            status = process.wait(LIMIT)
        finally:
            process.kill()
    os.close(ours)
    return status, shown.decode()


def _until(terminal: int, mark: bytes | None) -> bytes:
    """Output until the mark, or until the other end is closed."""
    read, over = b"", time.monotonic() + LIMIT
    while (mark is None or mark not in read) and time.monotonic() < over:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                read += os.read(terminal, 4096)
            except OSError:  # Linux's way to say that the other end is closed
                break
    return read


def test_domain_and_server_are_asked_for(tmp_path: Path) -> None:
    """Both answers are in ftl.yaml."""
    status, shown = init(tmp_path, {FIRST: b" shop.example.org \n", SECOND: b"deploy@203.0.113.7\n"})
    assert status == 0, shown
    text = (tmp_path / "ftl.yaml").read_text()
    assert "domain: shop.example.org\n" in text
    assert "server:\n  host: 203.0.113.7\n  user: deploy\n" in text


def test_empty_answers_leave_placeholders(tmp_path: Path) -> None:
    """Without a domain there is no second question."""
    status, shown = init(tmp_path, {FIRST: b"\n"})
    assert status == 0, shown
    assert SECOND.decode() not in shown
    assert "is a placeholder" in shown
    assert "# server:" in (tmp_path / "ftl.yaml").read_text()


@pytest.mark.parametrize("reply", [b"not a domain\n", b"-x-\n"])
def test_an_answer_that_is_no_domain_is_refused(tmp_path: Path, reply: bytes) -> None:
    """Nothing is written."""
    status, shown = init(tmp_path, {FIRST: reply, SECOND: b"\n"})
    assert status != 0
    assert reply.decode().strip() in shown
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_what_an_option_says_is_not_asked_for(tmp_path: Path) -> None:
    """Only the other one is."""
    status, shown = init(tmp_path, {SECOND: b"\n"}, "--domain", "shop.example.org")
    assert status == 0, shown
    assert FIRST.decode() not in shown


def test_a_file_that_exists_ends_it_before_any_question(tmp_path: Path) -> None:
    """Nobody types answers for nothing."""
    (tmp_path / "ftl.yaml").write_text("")
    status, shown = init(tmp_path, {})
    assert status != 0
    assert "already exists" in shown
    assert FIRST.decode() not in shown


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    """In CI it writes placeholders."""
    (tmp_path / "index.html").write_text("<p>")
    done = subprocess.run(
        FTL, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    assert FIRST.decode() not in done.stdout + done.stderr
