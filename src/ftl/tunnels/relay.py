"""TCP relay: a local port whose connections are forwarded to the current target."""

from __future__ import annotations

import asyncio
import errno
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.aio import cancel
from ftl.common.proc_net import parse_listeners
from ftl.errors import FtlError, UsageError
from ftl.ssh.streams import open_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ftl.ssh.streams import StreamPair

CHUNK = 256 * 1024


class PortTaken(UsageError):
    """The port of this machine is in use."""


@asynccontextmanager
async def relay(port: int, target: Callable[[], str]) -> AsyncIterator[int]:
    """Listen on 127.0.0.1 until the end of the block; then every connection is closed too.

    Port 0 takes any that is free. `target` is called for each connection, and returns "unix:///path" or
    "tcp://host:port". Where that cannot be reached, the connection is closed, as if the far end had refused it. Yields
    the port that is listened on.

    Raises:
        PortTaken: Another program listens on the port.
        UsageError: Only root may listen on the port.
    """
    connections: set[asyncio.Task[None]] = set()

    # Not a coroutine function: asyncio would make the task, and print a traceback when that is cancelled (seen on
    # 3.11 and 3.12.0).
    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_forward((reader, writer), target()))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await _listen(port, accept)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await cancel(*connections)


async def _listen(
    port: int, accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
) -> asyncio.Server:
    try:
        return await asyncio.start_server(accept, "127.0.0.1", port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            program = _port_owner(port)
            by = f" by {program}" if program else ""
            raise PortTaken(f"port {port} of this machine is taken{by}") from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise UsageError(f"only root may use port {port} of this machine") from None
        raise FtlError(f"port {port} of this machine cannot be used", cause=error.strerror) from error


async def _forward(near: StreamPair, url: str) -> None:
    """Copy both ways until both ends have closed."""
    try:
        with suppress(OSError):
            far = await open_stream(url)
            try:
                await _both_ways(near, far)
            finally:
                far[1].close()
    finally:
        near[1].close()


async def _both_ways(near: StreamPair, far: StreamPair) -> None:
    tasks = [asyncio.create_task(_copy(near[0], far[1])), asyncio.create_task(_copy(far[0], near[1]))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _port_owner(port: int) -> str:
    """The program that listens on a port, "postgres (pid 812)"; empty where that cannot be seen.

    From /proc (Linux): the socket's inode is in net/tcp, and the process that has it open links to it from its fd/.
    """
    links: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            sockets = parse_listeners(Path(table).read_text())
            links |= {f"socket:[{socket.inode}]" for socket in sockets if socket.port == port}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # other users' processes, and those that end meanwhile
            for descriptor in (process / "fd").iterdir():
                if descriptor.readlink().name in links:
                    return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""
