"""Client of an ssh master's control socket (OpenSSH's PROTOCOL.mux, version 4).

That version is in use since OpenSSH 5.4 (2010). A request by `ssh -O` is a process that takes 6 ms, one over this
socket takes 0.3 ms (OpenSSH 9.2). And an open control connection counts as a client of the master: one with
ControlPersist does not end while it has clients (`channel_still_open` in its source), and the kernel closes the
connection when our process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ftl.ssh.streams import connected

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.ssh.target import ForwardDestination

_VERSION = 4
_HELLO = 0x00000001
_ALIVE_CHECK = 0x10000004
_TERMINATE = 0x10000005
_OPEN_FORWARD = 0x10000006
_CLOSE_FORWARD = 0x10000007
_OK = 0x80000001
_ALIVE = 0x80000005

_LOCAL = 1
"""The type of a forward whose listening end is on this machine (`ssh -L`)."""

_STREAMLOCAL = 0xFFFFFFFE
"""In place of a port: the host is the path of a unix socket."""

_LONGEST = 256 * 1024
"""Bytes of a packet; OpenSSH sends none that is longer."""

SECONDS = 5.0
"""Time for an answer from a process of this machine: one that needs longer is stuck."""


class ControlFailed(Exception):
    """The master refuses a request, does not answer, or is not an ssh master."""


class Control:
    """An open control connection. Forwards that were opened over it stay when it closes.

    Requests raise ControlFailed when the master refuses them, does not answer, or has ended.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._waiting: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: Path, *, seconds: float = SECONDS) -> Self:
        """Connect to a master.

        Raises:
            FileNotFoundError: There is no socket.
            ConnectionRefusedError: The master was killed, and left its socket behind.
            ControlFailed: It does not answer as a master does.
        """
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_unix_connection(sock=connected(path))
                control = cls(reader, writer)
                try:
                    await control._greet()
                except BaseException:
                    writer.close()
                    raise
        except (FileNotFoundError, ConnectionRefusedError):
            raise
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise ControlFailed("the ssh master does not answer") from error
        control._reading = asyncio.create_task(control._read())
        return control

    async def _greet(self) -> None:
        self._send(struct.pack(">II", _HELLO, _VERSION))
        kind, version = struct.unpack_from(">II", await _packet(self._reader))
        if (kind, version) != (_HELLO, _VERSION):
            raise ControlFailed(f"the ssh master speaks another protocol ({kind}, version {version})")

    @property
    def alive(self) -> bool:
        """Whether the master still runs, as far as is known."""
        return self._reading is not None and not self._reading.done()

    async def forward(self, path: Path, destination: ForwardDestination) -> None:
        """Listen on a unix socket of this machine, and connect its clients to a destination."""
        await self._request(_OPEN_FORWARD, _forward(path, destination))

    async def cancel(self, path: Path, destination: ForwardDestination) -> None:
        """Stop listening. Open connections stay, and so does the socket's file."""
        await self._request(_CLOSE_FORWARD, _forward(path, destination))

    async def terminate(self) -> None:
        """End the master, and wait for its end; bounded."""
        with suppress(ControlFailed):
            await self._request(_TERMINATE, b"")
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=SECONDS)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._writer.close()

    async def check(self) -> None:
        """Check that the master answers."""
        await self._request(_ALIVE_CHECK, b"", answer=_ALIVE)

    async def _request(self, kind: int, body: bytes, *, answer: int = _OK) -> None:
        if not self.alive:
            raise ControlFailed("the ssh master has ended")
        self._number += 1
        number = self._number
        coming: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = coming
        try:
            async with asyncio.timeout(SECONDS):
                self._send(struct.pack(">II", kind, number) + body)
                status, rest = await coming
        except TimeoutError as error:
            raise ControlFailed("the ssh master does not answer") from error
        finally:
            self._waiting.pop(number, None)
        if status != answer:
            raise ControlFailed(rest[4:].decode(errors="replace") or "the ssh master refuses")

    def _send(self, packet: bytes) -> None:
        self._writer.write(struct.pack(">I", len(packet)) + packet)

    async def _read(self) -> None:
        """Pass answers to the requests that wait for them, until the master ends."""
        try:
            while True:
                packet = await _packet(self._reader)
                status, number = struct.unpack_from(">II", packet)
                coming = self._waiting.get(number)
                if coming is not None and not coming.done():
                    coming.set_result((status, packet[8:]))
        except (OSError, asyncio.IncompleteReadError, struct.error, ControlFailed):
            pass
        finally:
            self._writer.close()
            for coming in self._waiting.values():
                if not coming.done():
                    coming.set_exception(ControlFailed("the ssh master has ended"))


def is_listening(path: Path) -> bool:
    """Whether a process listens on a socket; it may be stuck."""
    try:
        connected(path).close()
    except BlockingIOError:
        return True  # its queue is full: it must be stuck
    except OSError:
        return False
    return True


async def _packet(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    if not 8 <= length <= _LONGEST:
        raise ControlFailed("the ssh master speaks another protocol")
    return await reader.readexactly(length)


def _forward(path: Path, destination: ForwardDestination) -> bytes:
    port = _STREAMLOCAL if destination.port is None else destination.port
    return (
        struct.pack(">I", _LOCAL)
        + _string(str(path))
        + struct.pack(">I", _STREAMLOCAL)
        + _string(destination.host)
        + struct.pack(">I", port)
    )


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">I", len(encoded)) + encoded
