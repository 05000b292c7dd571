"""Requests that are sent before a command is read, through the forward of a kept connection."""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.ssh.multiplexing import early, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = ["status", "--json"]
INFO = b"GET /info HTTP/1.1\r\nHost: localhost\r\n\r\n"
LIST = b"GET /networks HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of kept connections; no requests of other tests are left."""
    monkeypatch.setattr(early, "_sent_early", early._SentEarly())
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        runtime = Path(folder, "ftl")
        runtime.mkdir(mode=0o700)
        yield runtime


@pytest.fixture
def shared(runtime: Path) -> Path:
    """The folder of one connection."""
    folder = runtime / "0123456789ab.1"
    folder.mkdir()
    return folder


@pytest.fixture
def forward(shared: Path) -> Iterator[socket.socket]:
    """Its forward to the engine's usual socket."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listening:
        listening.bind(str(shared / early.USUAL))
        listening.listen()
        listening.settimeout(5)
        yield listening


def environ(runtime: Path) -> dict[str, str]:
    """An environment with that folder."""
    return {"XDG_RUNTIME_DIR": str(runtime.parent)}


def noted(shared: Path, requests: list[bytes], words: list[str] = WORDS) -> None:
    """A command with these words notes what it asked."""
    early.begin(words, environ(shared.parent))
    early.note(shared, requests)


def received(forward: socket.socket) -> bytes:
    """What comes with the next connection; nothing, where none came."""
    forward.setblocking(False)
    try:
        connection, _ = forward.accept()
    except BlockingIOError:
        return b""
    with closing(connection):
        return connection.recv(1000)


def taken(shared: Path) -> list[bytes]:
    """The requests that a command of this connection takes."""
    exchanges = early.take(f"unix://{shared / early.USUAL}")
    for _, connection in exchanges:
        connection.close()
    return [request for request, _ in exchanges]


def test_the_same_command_asks_the_same_as_it_begins(shared: Path, forward: socket.socket) -> None:
    """Each request is sent on a connection of its own, and can be taken once."""
    noted(shared, [INFO, LIST])
    early.begin(WORDS, environ(shared.parent))
    assert [received(forward), received(forward)] == [INFO, LIST]
    assert early.is_sent(f"unix://{shared / early.USUAL}")
    assert taken(shared) == [INFO, LIST]
    assert taken(shared) == []


def test_another_command_asks_nothing(shared: Path, forward: socket.socket) -> None:
    """Other words, another environment or another folder is another command."""
    noted(shared, [INFO])
    early.begin(["status"], environ(shared.parent))
    early.begin(WORDS, {**environ(shared.parent), "FTL_ENV": "staging"})
    assert received(forward) == b""
    assert taken(shared) == []


def test_only_reads_are_noted_and_sent(shared: Path, forward: socket.socket) -> None:
    """A body, and any other method, whoever wrote it into the file."""
    post = INFO.replace(b"GET", b"POST")
    noted(shared, [INFO, post, LIST + b"body"])
    early.begin(WORDS, environ(shared.parent))
    assert [received(forward), received(forward)] == [INFO, b""]
    assert taken(shared) == [INFO]


def test_requests_to_another_connection_are_closed(shared: Path, forward: socket.socket) -> None:
    """The configuration leads elsewhere now: what was asked there counts for nothing."""
    noted(shared, [INFO])
    early.begin(WORDS, environ(shared.parent))
    assert early.take("unix:///elsewhere/usual") == []
    connection, _ = forward.accept()
    with closing(connection):
        assert connection.recv(1000) == INFO
        assert connection.recv(1000) == b""


@pytest.mark.parametrize("spoil", ["retired", "gone", "open", "path", "bytes"])
def test_a_hint_that_leads_nowhere_is_passed_over(shared: Path, forward: socket.socket, spoil: str) -> None:
    """A retired connection, one that has ended, a folder that others may enter, a file that is none of ours."""
    noted(shared, [INFO])
    note = next(shared.parent.glob(f"*{early.NOTES}"))
    if spoil == "retired":
        (shared / early.RETIRED).touch()
    elif spoil == "gone":
        (shared / early.USUAL).unlink()
    elif spoil == "open":
        shared.parent.chmod(0o755)
    elif spoil == "path":
        note.write_bytes(b"../0123456789ab.1\n" + INFO)
    else:
        note.write_bytes(b"\xff\x00" * 100)
    early.begin(WORDS, environ(shared.parent))
    assert received(forward) == b""
    assert taken(shared) == []


def test_notes_are_removed_when_the_command_was_not_run_for_long(runtime: Path) -> None:
    """Each folder in which a command ran would leave one for ever."""
    old, new = runtime / f"00000000{early.NOTES}", runtime / f"00000001{early.NOTES}"
    for note in (old, new):
        note.touch()
    os.utime(old, (0, 0))
    for note in (old, new):
        kept._sweep(note)
    assert not old.exists()
    assert new.exists()
