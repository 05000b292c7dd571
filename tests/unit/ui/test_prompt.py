"""Questions on a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress

import pytest

PROGRAM = "import asyncio; from ftl.ui.prompt import ask; print(repr(asyncio.run(ask('Word', secret=True))))"


CONFIRM = """
import asyncio
from ftl.errors import FtlError
from ftl.ui.prompt import confirm
try:
    asyncio.run(confirm("this removes shop", word={word!r}, refused="nothing was removed"))
except FtlError as error:
    print(type(error).__name__, error.message)
else:
    print("confirmed")
"""


def at_a_terminal(reply: bytes, program: str = PROGRAM, question: bytes = b"Word: ") -> tuple[str, bool]:
    """Run the program on a terminal and type a reply; its output, and whether echo is on again."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        (sys.executable, "-c", program), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        shown = read_until(ours, question)
        if reply:
            os.write(ours, reply)
        else:
            interrupt(process)
        try:
            process.wait(20)
        finally:
            process.kill()
        echoes = bool(termios.tcgetattr(theirs)[3] & termios.ECHO)
        os.close(theirs)
        shown += read_until(ours, None)
    os.close(ours)
    return shown.decode(), echoes


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C, and again as a person would.

    Without a wakeup file descriptor (`asyncio.run` has none) Python notices a signal that comes just before it waits
    only with the next event.
    """
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(2)
            return


def read_until(terminal: int, mark: bytes | None) -> bytes:
    """Output of a terminal until the mark, or until its other end is closed."""
    read, over = b"", time.monotonic() + 20
    while (mark is None or mark not in read) and time.monotonic() < over:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                read += os.read(terminal, 4096)
            except OSError:  # Linux's way to say that the other end is closed
                break
    return read


def test_a_secret_is_read_and_not_shown() -> None:
    """A secret is returned and not echoed."""
    shown, echoes = at_a_terminal(b"s3cret\n")
    assert shown.count("s3cret") == 1  # the program's own
    assert shown.strip().endswith("'s3cret'")
    assert echoes


def test_an_interrupted_question_leaves_the_terminal_as_it_was() -> None:
    """Ctrl-C ends the question at once, and echo is on again."""
    shown, echoes = at_a_terminal(b"")
    assert "KeyboardInterrupt" in shown
    assert echoes


def test_without_a_terminal_nobody_is_asked() -> None:
    """Without a terminal there is no question, and the answer is None."""
    done = subprocess.run((sys.executable, "-c", PROGRAM), input=b"s3cret\n", capture_output=True, check=True)
    assert done.stdout == b"None\n"
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("word", "reply", "end"),
    [
        ("", b"y\n", "confirmed"),
        ("", b" Yes \n", "confirmed"),
        ("", b"\n", "Interrupted nothing was removed"),
        ("shop", b"shop\n", "confirmed"),
        ("shop", b"y\n", "Interrupted nothing was removed"),
        ("shop", b"Shop\n", "Interrupted nothing was removed"),
    ],
)
def test_only_the_wanted_answer_confirms(word: str, reply: bytes, end: str) -> None:
    """`y` for what can be repaired, and the exact name where data would be lost."""
    question = b"Type shop to continue: " if word else b"Continue? [y/N]: "
    shown, _ = at_a_terminal(reply, CONFIRM.format(word=word), question)
    assert shown.strip().endswith(end), shown


def test_nothing_is_confirmed_without_a_terminal() -> None:
    """The error names the option."""
    program = CONFIRM.format(word="").replace("error.message)", "error.message, error.hint)")
    done = subprocess.run((sys.executable, "-c", program), input=b"y\n", capture_output=True, check=True)
    expected = "UsageError cannot ask for confirmation: there is no terminal `--yes` skips the question\n"
    assert done.stdout.decode() == expected
