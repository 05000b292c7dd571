"""Commands on a server, each a session of one of its connections."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl import child
from ftl.child import ChildTimeout, Completed
from ftl.errors import ServerError
from ftl.ssh import failures, framing, quoting
from ftl.ssh.foreground import run_in_foreground
from ftl.ssh.framing import new_boundary, process_id, strip_noise
from ftl.ssh.target import client

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

    from ftl.spawn import Capture
    from ftl.ssh.connection import Connection
    from ftl.ssh.framing import FramedProcess
    from ftl.ssh.pool import Pool

OUTPUT_BYTES = 64 << 20
"""Limit of a command's output, on each stream, with the login's output before it.

The longest is an index of a large image's files: some megabytes.
"""

# Seconds for a started command to begin.
_BEGIN_SECONDS = 15.0

# Seconds to end a command on the server that is given up.
_END_SECONDS = 5.0

# Seconds for the event loop to notice that processes were killed: one that does not, before it is closed, says so.
_KILLED_SECONDS = 1.0

# ssh's own exit status; a command may have it, too.
_FAILED = 255

# A terminal there, whose input is passed on as it is (no escape character), without "Shared connection closed".
_TERMINAL = ("-tt", "-e", "none", "-o", "LogLevel=ERROR")


class Commands:
    """Runs the commands of a Machine over SSH; see there for the arguments.

    Each raises ServerError when the connection is lost.
    """

    def __init__(self, name: str, pool: Pool) -> None:
        self._name = name
        self._pool = pool
        self._processes: list[FramedProcess] = []

    async def run(self, argv: Sequence[str], *, stdin: bytes | None, seconds: float) -> Completed:
        """Run a command to its end.

        Raises:
            ServerError: The connection is lost, or the command did not end in time or printed more than `OUTPUT_BYTES`.
        """
        boundary = new_boundary()
        while True:
            connection, slot = await self._pool.take("run")
            try:
                done = await self._complete(connection, argv, boundary, stdin, seconds)
            except BaseException:
                slot.release()
                raise
            if not _is_refused(done):
                slot.release()
                break
            slot.refuse()
        # ssh may print nothing when the connection breaks.
        if done.exit_code == _FAILED and not await connection.stands():
            raise connection.lost()
        connection.heard()
        if _is_over_limit(done):
            raise failures.prints_too_much(self._name, OUTPUT_BYTES)
        stdout, stderr = strip_noise(done.stdout, boundary), strip_noise(done.stderr, boundary)
        if stdout is None or stderr is None:
            raise failures.runs_nothing(self._name, done.stderr or done.stdout)
        return Completed(tuple(argv), done.exit_code, stdout, stderr)

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a command, which ends with us."""
        boundary = new_boundary()
        while True:
            connection, slot = await self._pool.take("stay")
            try:
                line = _client(connection, quoting.framed_line(argv, boundary))
                process = await framing.start(line, boundary, group=connection.master.group)
                refused = not slot.is_allowed and await _is_refused_start(process)
            except BaseException:
                slot.release()
                raise
            if not refused:
                break
            slot.refuse()
        self._processes.append(process)
        connection.master.sessions.release_after(process, slot)
        return process

    async def attach(self, argv: Sequence[str], *, terminal: bool) -> int:
        """Run a command with our streams, and return its exit status."""
        connection, slot = await self._pool.take("stay")
        try:
            if terminal:
                line = _client(connection, quoting.plain_line(argv), *_TERMINAL)
                status = await run_in_foreground(line)
            else:
                boundary = new_boundary()
                line = _client(connection, quoting.bounded_line(argv, boundary))
                status = await run_in_foreground(line, boundary=boundary)
        finally:
            slot.release()
        if status == _FAILED and not await connection.stands():
            raise connection.lost()
        return status

    async def wait(self) -> None:
        """Wait until the started commands' local halves have ended, after the connections; bounded.

        Afterwards they are closed: where the command goes on over a kept connection, its master has their pipes.
        """
        ends = [
            asyncio.create_task(process.wait()) for process in self._processes if process.returncode is None
        ]
        if ends:
            _, late = await asyncio.wait(ends, timeout=_KILLED_SECONDS)
            for end in late:
                end.cancel()
        for process in self._processes:
            process.close()

    async def _complete(
        self, connection: Connection, argv: Sequence[str], boundary: str, stdin: bytes | None, seconds: float
    ) -> Completed:
        """Run a framed command to its end."""
        answered = is_over_limit = False

        async def give_up(_transport: asyncio.SubprocessTransport, capture: Capture) -> None:
            nonlocal answered, is_over_limit
            is_over_limit = _is_over_limit(capture)
            with suppress(TimeoutError, ServerError):
                async with asyncio.timeout(_END_SECONDS):
                    answered = await self._end(capture, boundary)

        try:
            return await child.complete(
                _client(connection, quoting.framed_line(argv, boundary)),
                stdin=stdin,
                seconds=seconds,
                group=connection.master.group,
                limit=OUTPUT_BYTES,
                give_up=give_up,
            )
        except ChildTimeout as error:
            if is_over_limit:
                raise failures.prints_too_much(self._name, OUTPUT_BYTES) from error
            if not answered:
                raise connection.lost() from error
            message = f"`{argv[0]}` did not end within {seconds:.0f} seconds on {self._name}"
            said = strip_noise(error.stderr, boundary) or b""
            raise ServerError(message, cause=failures.last_words(said.decode(errors="replace"))) from error

    async def _end(self, capture: Capture, boundary: str) -> bool:
        """End a command on the server that is given up; whether the server has answered. Its ssh ignores SIGTERM."""
        while (pid := process_id(bytes(capture.stderr), boundary)) is None:
            if not await capture.news():
                return False
        while True:
            connection, slot = await self._pool.take("end")
            try:
                line = _client(connection, quoting.kill(pid))
                group = connection.master.group
                done = await child.complete(
                    line, seconds=_END_SECONDS, group=group, limit=OUTPUT_BYTES, give_up=_leave
                )
            except BaseException:
                slot.release()
                raise
            if not _is_refused(done):
                slot.release()
                return done.exit_code != _FAILED
            slot.refuse()


async def _is_refused_start(process: FramedProcess) -> bool:
    """Whether the server allowed no further session for a command; waits for the command's begin."""
    try:
        async with asyncio.timeout(_BEGIN_SECONDS):
            messages = await process.begun()
    except TimeoutError:  # the caller has a limit of its own for its answer
        return False
    except BaseException:
        process.kill()
        raise
    return messages is not None and failures.SESSION_REFUSED in messages


def _client(connection: Connection, line: str, *options: str) -> list[str]:
    """The arguments of an ssh that runs a command line over a connection."""
    return ["ssh", *client(connection.master.files.socket), *options, "--", "ftl", line]


def _is_refused(done: Completed) -> bool:
    """Whether the server allowed no further session on the connection."""
    return done.exit_code == _FAILED and failures.SESSION_REFUSED.encode() in done.stderr


def _is_over_limit(output: Completed | Capture) -> bool:
    """Whether some of a command's output was dropped."""
    return max(len(output.stdout), len(output.stderr)) >= OUTPUT_BYTES


async def _leave(_transport: asyncio.SubprocessTransport, _capture: Capture) -> None:
    """Do nothing before the child is killed."""
