"""This machine as a `Machine`: `server.host: local`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

from ftl.errors import FtlError, ServerError, UsageError
from ftl.ssh import process
from ftl.ssh.machine import Completed
from ftl.ssh.ports import free_or_raise

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType


_CHUNK = 1 << 16


class Local:
    """A `Machine` without SSH."""

    def __init__(self) -> None:
        self.name = "this machine"
        self.lost = asyncio.Event()
        self._children: list[Process] = []
        self._relays: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 60.0,  # the Machine's signature
    ) -> Completed:
        """Run a command to its end; see Machine. One that cannot be run ends with 126 or 127, as in a shell."""
        try:
            return await process.complete(argv, stdin=stdin, seconds=timeout)
        except (FileNotFoundError, PermissionError) as error:
            status = 127 if isinstance(error, FileNotFoundError) else 126
            return Completed(tuple(argv), status, b"", f"{argv[0]}: {error.strerror}\n".encode())
        except TimeoutError as error:
            raise ServerError(
                f"`{argv[0]}` did not end within {timeout:.0f} seconds on {self.name}"
            ) from error

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a command; it ends with this object. See Machine."""
        try:
            child = await process.start(argv)
        except (FileNotFoundError, PermissionError) as error:
            raise UsageError(f"`{argv[0]}` cannot be run on this machine", cause=error.strerror) from error
        self._children.append(child)
        return child

    async def engine_url(self) -> str:
        """Where this machine's engine listens; see `ftl.engine.local_url`."""
        from ftl.engine.local import local_url

        return local_url()

    async def explain(self) -> FtlError | None:
        """Nothing that the engine's own error does not say."""
        return None

    @asynccontextmanager
    async def dial(self, host: str, port: int) -> AsyncIterator[str]:
        """The address itself: containers are reached directly where their engine runs on this Linux."""
        yield f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

    async def listen(self, local_port: int, host: str, port: int) -> None:
        """Relay 127.0.0.1:local_port to host:port; see Machine."""
        free_or_raise(local_port)

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _join(reader, writer, host, port)

        self._relays.append(await asyncio.start_server(relay, "127.0.0.1", local_port))

    async def close(self) -> None:
        """End what was started; see Machine."""
        for relay in self._relays:
            relay.close()
        for child in self._children:
            await process.stop(child)


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Copy both ways until both ends are through; a half that ends ends the other's input alone."""
    try:
        there_reader, there_writer = await asyncio.open_connection(host, port)
    except OSError:  # the caller sees a connection that is closed at once, as over SSH
        writer.close()
        return
    async with asyncio.TaskGroup() as group:
        group.create_task(_copy(reader, there_writer))
        group.create_task(_copy(there_reader, writer))
    for end in (writer, there_writer):
        end.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
        sink.write_eof()
