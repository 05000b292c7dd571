"""Dumps that a restore reads: a file here, or a scheduled backup on the server."""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ftl.common.figures import duration
from ftl.common.figures import size as size_text
from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import FtlError, UsageError
from ftl.host.backup_folders import read_command
from ftl.locks.script_lines import NO_LOCK
from ftl.operations.databases.backup import (
    CHUNK,
    ERROR_BYTES,
    STALL_SECONDS,
    STDOUT,
    chunks,
    end,
    read_errors,
)
from ftl.operations.databases.dumps import ENDS, StreamEnds
from ftl.operations.databases.tools import ends_with_us, exec_words
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.host.backup_folders import BackupFolder
    from ftl.host.session import Session
    from ftl.locks.script_lines import ScriptLock
    from ftl.operations.databases.tools import RunningDatabase

FINISH_SECONDS = 24 * 3600.0
"""Limit for a database that has the whole dump.

It builds indexes, and nothing is heard of it until its end.
"""

READ_SECONDS = 3600.0
"""Limit for a look through a backup on the server."""

_USE = b"USE `"
"""Beginning of a line of a dump of MariaDB or MySQL that names the database of those after it."""

_USED = re.compile(rb"USE `((?:[^`]|``)+)`;?\s*")
_READ = re.compile(rb"ftl-read ([0-9]+)")
"""Line of feed.sh: how far a backup was read."""


@dataclass(frozen=True, slots=True)
class DumpReader:
    """A script in a container that gets a dump as its stdin.

    Attributes:
        tell: Called with the bytes that were sent.
        lock: Kept until the script has ended, which may be after our own end.
    """

    running: RunningDatabase
    words: Sequence[str]
    tell: Callable[[int], None]
    lock: ScriptLock = NO_LOCK

    def ends_with_us(self) -> AbstractAsyncContextManager[str]:
        """Have the server end the script if this block fails, or FTL is gone."""
        return ends_with_us(self.running.session, self.running.container, self.lock)


class LocalDump:
    """A file of this machine."""

    def __init__(self, file: str, source: BinaryIO) -> None:
        self.file = file
        self.ends = _ends(source)
        self._source = source

    async def feed(self, reader: DumpReader) -> None:
        """Send the file to a command, which may not stand still.

        The limit is `STALL_SECONDS`, and `FINISH_SECONDS` once all is sent.

        Raises:
            FtlError: It failed, or stood still.
        """
        self._source.seek(0)
        async with reader.ends_with_us() as token:
            await _feed(reader, chunks(self._source), token)

    async def databases(self, _session: Session) -> tuple[str, ...]:
        """The databases that a dump of MariaDB or MySQL replaces, as far as it names them."""

        def lines() -> tuple[str, ...]:
            self._source.seek(0)
            return _used(line for line in self._source if line.startswith(_USE))

        return await asyncio.to_thread(lines)

    async def beginning(self, _session: Session, size: int) -> bytes:
        """Its first bytes."""
        self._source.seek(0)
        return await asyncio.to_thread(self._source.read, size)


@dataclass(frozen=True, slots=True)
class StoredDump:
    """A backup that lies on the server, which restores it; only its beginning is read here."""

    file: str
    ends: StreamEnds
    folder: BackupFolder
    project: str

    async def feed(self, reader: DumpReader) -> None:
        """Have the server send the backup; without us it ends as one whose stream is cut.

        Raises:
            FtlError: It failed, or stood still.
        """
        async with reader.ends_with_us() as token:
            await self._feed(reader, token)

    async def databases(self, session: Session) -> tuple[str, ...]:
        """The databases that a dump of MariaDB or MySQL replaces, as far as it names them.

        Raises:
            FtlError: It cannot be read.
        """
        script = "LC_ALL=C sed -n '/^USE `/p' \"/backups/$1\""
        return _used((await self._read(session, script)).splitlines())

    async def beginning(self, session: Session, size: int) -> bytes:
        """Its first bytes.

        Raises:
            FtlError: It cannot be read.
        """
        return await self._read(session, 'head -c "$2" "/backups/$1"', str(size))

    async def _read(self, session: Session, script: str, *arguments: str) -> bytes:
        reading = read_command(session, self.folder, script, self.file, *arguments)
        done = await session.machine.run(reading, timeout=READ_SECONDS)
        return done.require(f"{self.file} cannot be read on {session.name}").stdout

    async def _feed(self, reader: DumpReader, token: str) -> None:
        given = (
            f"ftl-restore-{secrets.token_hex(8)}",
            self.project,
            self.folder.mount,
            self.folder.image,
            self.file,
            *exec_words(reader.running.container, *reader.words, token=token),
        )
        machine = reader.running.session.machine
        process = await machine.start(
            docker_script(machine, program(__package__, "feed.sh"), "ftl-dump", *given)
        )
        assert process.stdin is not None
        assert process.stdout is not None
        size, text = 0, b""
        try:
            async with asyncio.timeout(STALL_SECONDS) as limit:
                if await process.stdout.readline():
                    with suppress(ConnectionError):  # it has ended, and its status says why
                        process.stdin.write(b"go\n")
                async for line in _lines(process):
                    read = _READ.fullmatch(line)
                    if read is None:
                        text = (text + line + b"\n")[-ERROR_BYTES:]
                    elif int(read[1]) > size:
                        size = int(read[1])
                        limit.reschedule(asyncio.get_running_loop().time() + self._patience(size))
                        reader.tell(size)
                status = await process.wait()
        except TimeoutError:
            raise _stalled(reader.running.name, size, self._patience(size)) from None
        finally:
            await end(process)
        _check(status, text.decode("utf-8", "replace").strip(), reader.running.name)

    def _patience(self, size: int) -> float:
        return STALL_SECONDS if size < self.ends.size else FINISH_SECONDS


Dump = LocalDump | StoredDump


def open_dump(file: str) -> BinaryIO:
    """Open a dump; stdin is copied to a temporary file first, for its end to be checked.

    It reads until stdin ends: not to be called in an event loop, where no signal would end it.

    Raises:
        UsageError: stdin is a terminal.
        FtlError: The file cannot be read, or there is no room for the copy.
    """
    if file == STDOUT:
        return _spool()
    try:
        path = Path(file)
        if (
            path.exists() and not path.is_file()
        ):  # a FIFO would block, and has no end that can be checked first
            raise FtlError(f"{file} is not a regular file", hint="`-` reads stdin")
        return path.open("rb")
    except OSError as error:
        raise FtlError(f"{file} cannot be read", cause=error.strerror or str(error)) from error


def _spool() -> BinaryIO:
    if sys.stdin.isatty():
        raise UsageError("stdin is a terminal, not a backup", hint=ftl("restore NAME - < FILE"))
    with ExitStack() as opened:
        try:
            spool: BinaryIO = opened.enter_context(tempfile.TemporaryFile())
            while data := _read_stdin():
                spool.write(data)
            spool.flush()
        except OSError as error:
            raise FtlError(
                f"stdin cannot be copied to {tempfile.gettempdir()}",
                cause=error.strerror or str(error),
                hint="set TMPDIR to a folder with room for the whole backup",
            ) from error
        opened.pop_all()
    return spool


def _read_stdin() -> bytes:
    try:
        return sys.stdin.buffer.read(CHUNK)
    except OSError as error:
        raise FtlError("stdin cannot be read", cause=error.strerror or str(error)) from error


def _ends(source: BinaryIO) -> StreamEnds:
    ends = StreamEnds()
    source.seek(0)
    ends.head = source.read(ENDS)
    ends.size = source.seek(0, 2)
    source.seek(max(0, ends.size - ENDS))
    ends.tail = source.read(ENDS)
    source.seek(0)
    return ends


async def _feed(reader: DumpReader, data: AsyncIterator[bytes], token: str) -> None:
    running = reader.running
    process = await running.session.machine.start(running.command(*reader.words, token=token))
    assert process.stdin is not None
    assert process.stdout is not None
    errors = asyncio.create_task(read_errors(process))
    output = asyncio.create_task(_discard(process.stdout))
    size, seconds = 0, STALL_SECONDS
    try:
        with suppress(ConnectionError):  # it has ended, and its status says why
            async for chunk in data:
                process.stdin.write(chunk)
                async with asyncio.timeout(seconds):
                    await process.stdin.drain()
                size += len(chunk)
                reader.tell(size)
            process.stdin.write_eof()
        seconds = FINISH_SECONDS
        async with asyncio.timeout(seconds):
            status = await process.wait()
            text = await errors
    except TimeoutError:
        raise _stalled(running.name, size, seconds) from None
    finally:
        errors.cancel()
        output.cancel()
        await end(process)
    _check(status, text, running.name)


def _used(lines: Iterable[bytes]) -> tuple[str, ...]:
    found = (match[1].replace(b"``", b"`") for line in lines if (match := _USED.fullmatch(line)))
    return tuple(dict.fromkeys(name.decode("utf-8", "replace") for name in found))


def _stalled(name: str, size: int, seconds: float) -> FtlError:
    return FtlError(
        f"the restore of {name} failed",
        cause=f"it read nothing for {duration(seconds)} after {size_text(size)}",
    )


def _check(status: int, text: str, name: str) -> None:
    if status != 0:
        raise FtlError(f"the restore of {name} failed", cause=text or f"it ended with status {status}")


async def _lines(process: Process) -> AsyncIterator[bytes]:
    """The lines that a process writes to stderr."""
    assert process.stderr is not None
    rest = b""
    while data := await process.stderr.read(CHUNK):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line
        rest = rest[-ERROR_BYTES:]
    if rest:
        yield rest


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.read(CHUNK):
        pass
