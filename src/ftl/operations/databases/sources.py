"""Dumps that a restore reads: a file here, or a scheduled backup on the server."""

from __future__ import annotations

import asyncio
import base64
import secrets
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from ftl.common.figures import duration
from ftl.common.figures import size as size_text
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import FtlError
from ftl.operations.databases.backup import CHUNK, STDOUT, chunks, end, read_errors, script_text
from ftl.operations.databases.dumps import ENDS, Ends
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ftl.engine.values import Container
    from ftl.host.session import Session

STALL_SECONDS = 3600.0
"""Limit for a database that reads nothing, since an index of a large table takes long."""

RESTORE_SECONDS = 24 * 3600.0
"""Limit for a restore from a file of the server, where nothing is heard until its end."""


class Dump(Protocol):
    """A dump.

    Attributes:
        file: Its path, its name on the server, or `-` for stdin.
        ends: Its head, tail and size.
    """

    @property
    def file(self) -> str:
        """See above."""

    @property
    def ends(self) -> Ends:
        """See above."""

    async def feed(
        self,
        session: Session,
        words: Sequence[str],
        name: str,
        tell: Callable[[int], None],
        *,
        head: bytes = b"",
        padding: int = 0,
    ) -> None:
        """Run a docker command on the server with the dump as its stdin.

        Args:
            session: The server.
            words: The command's arguments.
            name: The dependency, for messages.
            tell: Called with the bytes that were sent.
            head: Bytes before the dump.
            padding: Number of zero bytes after it.

        Raises:
            FtlError: It failed, or stood still.
        """


class LocalDump:
    """A file of this machine."""

    def __init__(self, file: str, source: BinaryIO) -> None:
        self.file = file
        self.ends = _ends(source)
        self._source = source

    async def feed(
        self,
        session: Session,
        words: Sequence[str],
        name: str,
        tell: Callable[[int], None],
        *,
        head: bytes = b"",
        padding: int = 0,
    ) -> None:
        """See `Dump`; it may not stand still for `STALL_SECONDS`."""
        self._source.seek(0)

        async def data() -> AsyncIterator[bytes]:
            if head:
                yield head
            async for chunk in chunks(self._source):
                yield chunk
            if padding:
                yield bytes(padding)

        argv = docker_script(session.machine, 'docker "$@"', "ftl-dump", *words)
        await _feed(session, argv, data(), name, tell)


@dataclass(frozen=True, slots=True)
class StoredDump:
    """A backup that lies on the server; its bytes do not leave it.

    Attributes:
        folder: A container with the folder of backups.
    """

    file: str
    ends: Ends
    folder: Container

    async def feed(
        self,
        session: Session,
        words: Sequence[str],
        name: str,
        tell: Callable[[int], None],
        *,
        head: bytes = b"",
        padding: int = 0,
    ) -> None:
        """See `Dump`; when we are gone, it ends as one whose stream is cut."""
        reader = f"ftl-restore-{secrets.token_hex(8)}"
        given = (
            reader,
            self.folder.id,
            self.folder.image_id,
            self.file,
            base64.b64encode(head).decode(),
            str(padding),
        )
        argv = docker_script(session.machine, program(__package__, "feed.sh"), "ftl-dump", *given, *words)
        process = await session.machine.start(argv)
        assert process.stdout is not None
        errors = asyncio.create_task(read_errors(process))
        output = asyncio.create_task(_discard(process.stdout))
        try:
            async with asyncio.timeout(RESTORE_SECONDS):
                status = await process.wait()
                text = await errors
        except TimeoutError:
            raise FtlError(
                f"the restore of {name} failed", cause=f"it has not ended after {duration(RESTORE_SECONDS)}"
            ) from None
        finally:
            errors.cancel()
            output.cancel()
            await end(process)
        _check(status, text, name)


def in_container(container: str, script: str, *arguments: str) -> tuple[str, ...]:
    """Arguments of docker that run a script of this package in a container."""
    return ("exec", "-i", container, "sh", "-c", script_text(script), "sh", *arguments)


def check_readable(file: str) -> None:
    """Look whether a file can be read, before anybody connects to a server for it.

    Raises:
        FtlError: It cannot be read.
    """
    open_dump(file).close()


def open_dump(file: str) -> BinaryIO:
    """Open a dump; stdin is copied to a temporary file first, for its end to be checked."""
    try:
        if file != STDOUT:
            path = Path(file)
            if (
                path.exists() and not path.is_file()
            ):  # a FIFO would block, and has no end that can be checked first
                raise FtlError(f"{file} is not a regular file", hint="`-` reads stdin")
            return path.open("rb")
        spool: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        while data := sys.stdin.buffer.read(CHUNK):
            spool.write(data)
    except OSError as error:
        raise FtlError(f"{file} cannot be read", cause=error.strerror or str(error)) from error
    return spool


def _ends(source: BinaryIO) -> Ends:
    ends = Ends()
    source.seek(0)
    ends.head = source.read(ENDS)
    ends.size = source.seek(0, 2)
    source.seek(max(0, ends.size - ENDS))
    ends.tail = source.read(ENDS)
    source.seek(0)
    return ends


async def _feed(
    session: Session, argv: list[str], data: AsyncIterator[bytes], name: str, tell: Callable[[int], None]
) -> None:
    """Run a command on the server with a stream as its stdin; it may not stand still for `STALL_SECONDS`."""
    process = await session.machine.start(argv)
    assert process.stdin is not None
    assert process.stdout is not None
    errors = asyncio.create_task(read_errors(process))
    output = asyncio.create_task(_discard(process.stdout))
    size = 0
    try:
        with suppress(ConnectionError):  # it has ended, and its status says why
            async for chunk in data:
                process.stdin.write(chunk)
                async with asyncio.timeout(STALL_SECONDS):
                    await process.stdin.drain()
                size += len(chunk)
                tell(size)
            process.stdin.write_eof()
        async with asyncio.timeout(STALL_SECONDS):
            status = await process.wait()
            text = await errors
    except TimeoutError:
        raise FtlError(
            f"the restore of {name} failed",
            cause=f"after {size_text(size)} it has read nothing for {duration(STALL_SECONDS)}, and has not ended",
        ) from None
    finally:
        errors.cancel()
        output.cancel()
        await end(process)
    _check(status, text, name)


def _check(status: int, text: str, name: str) -> None:
    if status != 0:
        raise FtlError(f"the restore of {name} failed", cause=text or f"it ended with status {status}")


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.read(CHUNK):
        pass
