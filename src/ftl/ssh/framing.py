"""Framing of a remote command's output by a random boundary: the login's noise is dropped.

sshd runs commands by the login shell, which reads ~/.bashrc (bash does so under sshd), and after ~/.ssh/rc. Whatever
these print ("Welcome to prod", with or without a newline, on either stream) comes before the command's own output on
the same streams. So the command line that is sent first prints a line with a boundary that is new for each command, on
stdout and on stderr (`preamble`), and then becomes the command. The login shell cannot add anything later: it is
replaced (`exec`).

    boundary = new_boundary()
    process = await start(["ssh", HOST, "--", framed_line(argv, boundary)], boundary)  # streams without noise
    output = strip_noise(completed.stdout, boundary)  # or the output of one that has ended
"""

from __future__ import annotations

import asyncio
import secrets
from asyncio.subprocess import Process, SubprocessStreamProtocol
from typing import TYPE_CHECKING

from ftl.spawn import READ_LIMIT, spawn

if TYPE_CHECKING:
    from collections.abc import Sequence

NOISE_KEPT = 200
"""Bytes of noise that are kept, to be shown."""


def new_boundary() -> str:
    """A boundary that no output contains by chance, and that nobody can predict."""
    return f"ftl-{secrets.token_hex(16)}"


def preamble(boundary: str) -> str:
    """Shell commands that print the boundary on both streams, on stderr with their process ID.

    A noise line may lack its newline, so the boundary brings one.
    """
    return f'printf "\\n%s\\n" {boundary}; printf "\\n%s %s\\n" {boundary} "$$" >&2'


class NoiseFilter:
    """Drops one output stream's bytes up to the boundary's line, and that line.

    `noise` is the beginning of that, `label` the line's rest (the process ID on stderr); None while it has not come.
    """

    def __init__(self, boundary: str) -> None:
        self.noise = b""
        self.label: str | None = None
        self._boundary = f"\n{boundary}".encode()
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        """The part of `data` that belongs to the command; empty while the boundary has not come."""
        if self.label is not None:
            return data
        self._pending += data
        start = self._pending.find(self._boundary)
        if start < 0:  # keep what may be the beginning of the boundary
            self._drop(max(0, len(self._pending) - len(self._boundary)))
            return b""
        self._drop(start)
        line, newline, output = self._pending[len(self._boundary) :].partition(b"\n")
        if not newline:
            return b""
        self.label, self._pending = line.decode(errors="replace").strip(), b""
        return output

    def messages(self) -> str:
        """All that is kept of a stream that has ended without the boundary."""
        return (self.noise + self._pending).decode(errors="replace")

    def _drop(self, count: int) -> None:
        self.noise += self._pending[: min(count, NOISE_KEPT - len(self.noise))]
        self._pending = self._pending[count:]


def strip_noise(output: bytes, boundary: str) -> bytes | None:
    """A command's output without noise; None without the boundary: it was never started."""
    noise = NoiseFilter(boundary)
    own = noise.feed(output)
    return None if noise.label is None else own


def process_id(stderr: bytes, boundary: str) -> str | None:
    """The command's process ID, from its stderr so far; None while the boundary has not come."""
    noise = NoiseFilter(boundary)
    noise.feed(stderr)
    return noise.label


class FramedProcess(Process):
    """A process whose streams start after the boundary."""

    def __init__(
        self, transport: asyncio.SubprocessTransport, streams: _FramedStreams, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(transport, streams, loop)
        self._streams = streams
        self._child = transport

    def close(self) -> None:
        """Kill it if it still runs, and close its pipes, which the ssh master may keep. Idempotent."""
        self._child.close()

    async def begun(self) -> str | None:
        """Wait until the command begins (None), or the process ends without (its messages)."""
        return await asyncio.shield(self._streams.begun)


async def start(argv: Sequence[str], boundary: str, *, group: int) -> FramedProcess:
    """Start a child with pipes, whose command was framed: its streams start after the boundary.

    A stream without a boundary is empty: the command was never started.

    It joins the process group, to be ended with that.

    Raises:
        OSError: It cannot be started.
    """
    loop = asyncio.get_running_loop()
    transport, streams = await spawn(lambda: _FramedStreams(boundary, loop), argv, group=group)
    return FramedProcess(transport, streams, loop)


class _FramedStreams(SubprocessStreamProtocol):
    """Pipes as asyncio's Process has them, less the noise."""

    def __init__(self, boundary: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=READ_LIMIT, loop=loop)
        self._filters = {1: NoiseFilter(boundary), 2: NoiseFilter(boundary)}
        self.begun: asyncio.Future[str | None] = loop.create_future()

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        own = self._filters[fd].feed(data)
        if self._filters[2].label is not None and not self.begun.done():
            self.begun.set_result(None)
        if own:
            super().pipe_data_received(fd, own)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 2 and not self.begun.done():
            self.begun.set_result(self._filters[2].messages())
        super().pipe_connection_lost(fd, exc)
