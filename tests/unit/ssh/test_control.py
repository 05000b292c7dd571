"""The conversation with an ssh master, against one made of its protocol's description."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.ssh.multiplexing.control import Control, ControlFailed, is_listening
from ftl.ssh.target import ForwardDestination

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Answer = tuple[int, bytes] | None

OK = 0x80000001
PERMISSION_DENIED = 0x80000002
FAILURE = 0x80000003
ALIVE = 0x80000005


class Master:
    """An ssh master: says hello, and answers requests as it is told; None: not at all, and it ends."""

    def __init__(self, *answers: Answer, version: int = 4) -> None:
        self._answers = list(answers)
        self._version = version
        self.requests: list[tuple[int, bytes]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        _put(writer, struct.pack(">II", 1, self._version))
        assert await _packet(reader) == struct.pack(">II", 1, 4)
        for answer in self._answers:
            request = await _packet(reader)
            kind, number = struct.unpack_from(">II", request)
            self.requests.append((kind, request[8:]))
            if answer is None:
                break
            _put(writer, struct.pack(">II", answer[0], number) + answer[1])
        else:
            await reader.read()
        writer.close()


def _put(writer: asyncio.StreamWriter, packet: bytes) -> None:
    writer.write(struct.pack(">I", len(packet)) + packet)


async def _packet(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(struct.unpack(">I", await reader.readexactly(4))[0])


def text(words: str) -> bytes:
    """A string of the protocol."""
    return struct.pack(">I", len(words)) + words.encode()


def converse(path: Path, master: Master, talk: Callable[[Control], Coroutine[None, None, None]]) -> None:
    """Talk to a master, bounded."""

    async def work() -> None:
        async with asyncio.timeout(20):
            server = await asyncio.start_unix_server(master.serve, path)
            control = await Control.open(path)
            await talk(control)
            control.close()
            server.close()

    asyncio.run(work())


def test_a_forward_is_asked_for_and_cancelled_in_the_same_words(tmp_path: Path) -> None:
    """A listening socket here, a port or a socket there (port -2 stands for a socket)."""
    master = Master((OK, b""), (OK, b""), (OK, b""))

    async def talk(control: Control) -> None:
        await control.forward(Path("/run/a"), ForwardDestination("10.0.0.2", 80))
        await control.forward(Path("/run/b"), ForwardDestination("/var/run/docker.sock"))
        await control.cancel(Path("/run/a"), ForwardDestination("10.0.0.2", 80))

    converse(tmp_path / "master", master, talk)
    local, path = struct.pack(">I", 1), struct.pack(">I", 0xFFFFFFFE)
    port = local + text("/run/a") + path + text("10.0.0.2") + struct.pack(">I", 80)
    assert master.requests == [
        (0x10000006, port),
        (0x10000006, local + text("/run/b") + path + text("/var/run/docker.sock") + path),
        (0x10000007, port),
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((FAILURE, text("Port forwarding failed")), "Port forwarding failed"),
        ((PERMISSION_DENIED, text("Permission denied")), "Permission denied"),
        (None, "the ssh master has ended"),
    ],
)
def test_a_refusal_is_told_in_the_masters_words(tmp_path: Path, answer: Answer, words: str) -> None:
    """And one that ends in the middle has ended, for the next request too."""

    async def talk(control: Control) -> None:
        with pytest.raises(ControlFailed, match=words):
            await control.forward(Path("/run/a"), ForwardDestination("10.0.0.2", 80))
        if answer is None:
            assert not control.alive
            with pytest.raises(ControlFailed, match="has ended"):
                await control.check()

    converse(tmp_path / "master", Master(answer), talk)


def test_a_check_is_answered_with_the_masters_process(tmp_path: Path) -> None:
    """Another answer than that is none."""

    async def talk(control: Control) -> None:
        await control.check()
        with pytest.raises(ControlFailed):
            await control.check()

    converse(tmp_path / "master", Master((ALIVE, struct.pack(">I", 42)), (OK, b"")), talk)


def test_ending_a_master_waits_until_it_has_ended(tmp_path: Path) -> None:
    """It says that it will, and closes."""

    async def talk(control: Control) -> None:
        await control.terminate()
        assert not control.alive

    converse(tmp_path / "master", Master(None), talk)


def test_requests_at_once_get_their_own_answers(tmp_path: Path) -> None:
    """They are told apart by their numbers."""

    async def talk(control: Control) -> None:
        done = await asyncio.gather(
            control.check(),
            control.forward(Path("/run/a"), ForwardDestination("x", 1)),
            return_exceptions=True,
        )
        assert done[0] is None
        assert str(done[1]) == "no"

    converse(tmp_path / "master", Master((ALIVE, bytes(4)), (FAILURE, text("no"))), talk)


def test_another_version_of_the_protocol_is_refused(tmp_path: Path) -> None:
    """Its numbers may mean something else."""

    async def talk(_control: Control) -> None:
        pytest.fail("it was spoken to")

    with pytest.raises(ControlFailed, match="version 5"):
        converse(tmp_path / "master", Master(version=5), talk)


def test_a_socket_that_nobody_accepts_from_is_stuck_and_no_wait(tmp_path: Path) -> None:
    """Full or not, the answer comes in the time that was given."""
    path = tmp_path / "master"

    async def work() -> None:
        async with asyncio.timeout(20):
            with pytest.raises(ControlFailed, match="does not answer"):
                await Control.open(path, seconds=0.1)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        asyncio.run(work())
        asyncio.run(work())  # the first one still waits, and there is room for no more
        assert is_listening(path)


def test_a_socket_that_nobody_listens_on_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    """A master that was killed leaves its socket behind."""
    path = tmp_path / "master"
    with pytest.raises(FileNotFoundError):
        asyncio.run(Control.open(path))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(Control.open(path))
    assert not is_listening(path)
