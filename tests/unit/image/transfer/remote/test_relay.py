"""Tests of the program that passes a stream on, over this machine's loopback."""

from __future__ import annotations

import hashlib
import random
import shutil
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING

import pytest

from ftl.image.transfer.remote.scripts import RELAY_SEND, RELAY_TAKE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed here")

STREAM = random.Random(1).randbytes(3 << 20)
TOKEN = "d0c5a1b2"


@contextmanager
def program(text: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program, ended with the context."""
    argv = ["perl", "-e", text, *arguments]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            yield process
        finally:
            process.kill()


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """A pipe that is there."""
    assert stream is not None
    return stream


@contextmanager
def listening() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A sender, and the port on which it waits for others."""
    with program(RELAY_SEND, "127.0.0.1") as sender:
        pipe(sender.stdin).write(f"{TOKEN}\n".encode())
        words = pipe(sender.stdout).readline().split()
        assert words[:3] == [b"ftl-relay", b"at", b"127.0.0.1"]
        yield sender, int(words[3])


@contextmanager
def taking(number: int, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A receiver that connects."""
    with program(RELAY_TAKE) as taker:
        pipe(taker.stdin).write(f"{TOKEN} {number} 127.0.0.1 {port}\n".encode())
        yield taker


def say(taker: subprocess.Popen[bytes], content: bytes, size: int = 1 << 20) -> None:
    """Tell a receiver the digests of what it is to get, and that this is all."""
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    lines = [f"{len(part)} {hashlib.sha256(part).hexdigest()}\n" for part in parts]
    pipe(taker.stdin).write("".join([*lines, "0\n"]).encode())


def joined(sender: subprocess.Popen[bytes]) -> int:
    """The next server that joins."""
    words = pipe(sender.stdout).readline().split()
    assert words[:2] == [b"ftl-relay", b"joined"]
    return int(words[2])


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end closes it, without a byte; it may not have read all that was sent."""
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def test_all_that_have_joined_get_the_stream_and_who_leaves_is_left_out() -> None:
    """Bytes arrive as they were sent, also beside a receiver that ends in the middle."""
    with ExitStack() as stack:
        sender, port = stack.enter_context(listening())
        takers = [stack.enter_context(taking(number, port)) for number in (1, 2, 3)]
        assert {joined(sender) for _ in takers} == {1, 2, 3}
        pipe(sender.stdin).write(b"go\n")
        takers[0].kill()
        with ExitStack() as reading:
            outputs = [reading.enter_context(Reading(taker)) for taker in takers[1:]]
            pipe(sender.stdin).write(STREAM)
            pipe(sender.stdin).close()
            for taker in takers[1:]:
                say(taker, STREAM)
            for output in outputs:
                assert output.result() == STREAM
        assert [taker.wait(20) for taker in takers[1:]] == [0, 0]
        assert sender.wait(20) == 0


class Reading:
    """Reads the output of a process in the background."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._cat = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.PIPE)

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._cat.kill()
        self._cat.wait()

    def result(self) -> bytes:
        """All that it printed."""
        return self._cat.communicate(timeout=20)[0]


@pytest.mark.parametrize("greeting", ["wrong 1\n", f"{TOKEN} x\n", "x" * 200, f"{TOKEN} 1\nmore\n"])
def test_who_does_not_know_the_token_gets_nothing(greeting: str) -> None:
    """Its connection is closed, and the next one is served."""
    with listening() as (sender, port):
        with socket.create_connection(("127.0.0.1", port), 20) as stranger:
            stranger.sendall(greeting.encode())
            assert is_closed(stranger)
        with taking(7, port) as taker:
            assert joined(sender) == 7
            pipe(sender.stdin).write(b"go\nrest")
            pipe(sender.stdin).close()
            say(taker, b"rest", 3)
            assert pipe(taker.stdout).read() == b"rest"
            assert taker.wait(20) == 0


@pytest.mark.parametrize("sent", [b"other bytes", b"said", b"said bytes and more", b""])
def test_only_what_this_machine_has_said_is_taken(sent: bytes) -> None:
    """Whoever answers in the network of the servers can end the transfer, and nothing else."""
    said = b"said bytes"
    with socket.create_server(("127.0.0.1", 0)) as stranger, taking(1, stranger.getsockname()[1]) as taker:
        connection, _ = stranger.accept()
        with connection:
            connection.sendall(sent)
        say(taker, said)
        expected = said if sent.startswith(said) else b""
        assert pipe(taker.stdout).read() == expected
        assert (taker.wait(20) == 0) == bool(expected)


@pytest.mark.parametrize("line", ["10", f"2000000 {'0' * 64}", "x y", "10 zz"])
def test_a_line_that_is_no_digest_ends_the_receiver(line: str) -> None:
    """It comes from this machine, but a receiver prints nothing that was not compared."""
    with socket.create_server(("127.0.0.1", 0)) as server, taking(1, server.getsockname()[1]) as taker:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"said bytes")
            pipe(taker.stdin).write(f"{line}\n".encode())
            assert pipe(taker.stdout).read() == b""
            assert taker.wait(20) != 0


def test_who_comes_late_gets_nothing() -> None:
    """Once the stream has begun, nobody could get all of it."""
    with listening() as (sender, port), taking(1, port) as first:
        assert joined(sender) == 1
        with socket.create_connection(("127.0.0.1", port), 20) as waiting:
            pipe(sender.stdin).write(b"go\nrest")
            say(first, b"rest")
            assert pipe(first.stdout).read(4) == b"rest"
            assert is_closed(waiting)
        pipe(sender.stdin).close()
        assert sender.wait(20) == 0


def test_a_receiver_ends_with_its_stdin_or_without_anybody_to_connect_to() -> None:
    """A connection to this machine that is lost closes it."""
    with listening() as (sender, port), taking(1, port) as taker:
        assert joined(sender) == 1
        pipe(taker.stdin).close()
        assert taker.wait(20) == 1
    with taking(1, port) as alone:
        assert pipe(alone.stdout).read() == b""
        assert alone.wait(20) != 0


def test_a_sender_whose_stdin_ends_before_anybody_has_joined() -> None:
    """It does not go on listening."""
    with listening() as (sender, _):
        pipe(sender.stdin).close()
        assert sender.wait(20) == 1
