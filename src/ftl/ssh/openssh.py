"""A server over the system's OpenSSH: commands and forwards over one connection."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Self

from ftl import child
from ftl.child import Completed
from ftl.errors import FtlError, ServerError
from ftl.ssh import facts, failures, framing, quoting, sessions
from ftl.ssh.connection import Connection
from ftl.ssh.foreground import run_in_foreground
from ftl.ssh.framing import new_mark, process_id, strip_noise
from ftl.ssh.kept import Keep
from ftl.ssh.target import Destination, client

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from ftl.spawn import Capture
    from ftl.ssh.facts import Facts
    from ftl.ssh.master import Master
    from ftl.ssh.target import Target

NOT_KEPT = Keep()

# Seconds for the facts, over a connection that stands.
_FACTS_SECONDS = 15.0

# Seconds to end a command on the server that is given up.
_END_SECONDS = 5.0

# Seconds for the event loop to notice that processes were killed: one that does not, before it is closed, says so.
_KILLED_SECONDS = 1.0

_FAILED = 255

# A terminal there, whose input is passed on as it is (no escape character), without "Shared connection closed".
_TERMINAL = ("-tt", "-e", "none", "-o", "LogLevel=ERROR")


def connect(server: Target, *, keep: Keep = NOT_KEPT, interactive: bool | None = None) -> OpenSSH:
    """A server, not connected yet: `async with` does that.

    Args:
        server: The server and its user.
        keep: How long the connection stays afterwards; one that an earlier command left is used.
        interactive: Whether ssh may ask for a passphrase or confirmation on the terminal; None: if there is one.
    """
    if interactive is None:
        interactive = sys.stdin.isatty() and sys.stderr.isatty()
    return OpenSSH(Connection(server, interactive=interactive, keep=keep))


class OpenSSH:
    """A `Machine` over SSH."""

    def __init__(self, connection: Connection) -> None:
        self.name = connection.server.host
        self.engine_socket = ""
        self.login_output = ""
        self._connection = connection
        self._facts = facts.UNKNOWN
        self._dialled: dict[Destination, Path] = {}
        self._dialling = asyncio.Lock()
        self._engine: Path | None = None
        self._likely: Path | None = None
        self._engine_lock = asyncio.Lock()
        self._processes: list[Process] = []

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ServerError: The server cannot be reached or refuses us.
            HostKeyChanged: It is not the server that is known by this name.
        """
        self._facts = await self._connection.connect()
        self.login_output = self._facts.noise
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
        """Run a command to its end; see Machine."""
        mark = new_mark()
        line = quoting.framed_line(argv, mark)
        done = await self._command(line, mark=mark, stdin=stdin, seconds=timeout, what=argv[0])
        stdout, stderr = strip_noise(done.stdout, mark), strip_noise(done.stderr, mark)
        if stdout is None or stderr is None:
            raise self._cannot_run(done)
        return Completed(tuple(argv), done.exit_code, stdout, stderr)

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a command; see Machine."""
        master = self._connected()
        slot = await master.sessions.take()
        try:
            mark = new_mark()
            line = quoting.framed_line(argv, mark)
            process = await framing.start(self._client(line), mark, group=master.group)
        except BaseException:
            sessions.release(slot)
            raise
        self._processes.append(process)
        master.sessions.release_after(process, slot)
        return process

    async def attach(self, argv: Sequence[str], *, terminal: bool) -> int:
        """Run a command with our streams; see Machine.

        ssh itself has the terminal: raw mode, its size, signals. Without one, what the login printed is left out.
        """
        master = self._connected()
        slot = await master.sessions.take()
        try:
            if terminal:
                status = await run_in_foreground(self._client(quoting.plain_line(argv), *_TERMINAL))
            else:
                mark = new_mark()
                line = quoting.marked_line(argv, mark)
                status = await run_in_foreground(self._client(line), mark=mark)
        finally:
            sessions.release(slot)
        if status == _FAILED:
            await self._raise_if_not_run("")
        return status

    async def likely_engine_url(self) -> str | None:
        """The usual socket, forwarded right after the login; see Machine."""
        async with self._engine_lock:
            if self._likely is None and await self._connection.log_in():
                path = self._connection.master.files.folder / "usual"
                with suppress(ServerError):  # entering raises it, too
                    await self._connection.forward(path, Destination(facts.USUAL))
                    self._likely = path
        return None if self._likely is None else f"unix://{self._likely}"

    async def engine_url(self) -> str:
        """The engine's socket, forwarded; see Machine."""
        async with self._engine_lock:
            if self._engine is None:
                self._engine = await self._forward_engine()
        return f"unix://{self._engine}"

    async def explain(self) -> FtlError | None:
        """Explain why the engine does not answer; see Machine."""
        if self._facts is facts.UNKNOWN:
            return None  # the facts, which are still to come, say more
        try:
            now = await self._ask()
        except ServerError as error:
            return error
        if not now.socket:
            return facts.engine_missing(now, self.name)
        return facts.engine_silent(now, self.name, self._connection.master.log)

    @asynccontextmanager
    async def dial(self, host: str, port: int) -> AsyncIterator[str]:
        """A unix socket that leads to host:port as the server reaches it; see Machine.

        The forward stays for the next caller: health checks ask again and again.
        """
        destination = Destination(host, port)
        async with self._dialling:
            path = self._dialled.get(destination)
            if path is None:
                path = self._connected().files.folder / f"dial{len(self._dialled)}"
                await self._connection.forward(path, destination)
                self._dialled[destination] = path
        yield f"unix://{path}"

    async def close(self) -> None:
        """Leave the connection; see Machine."""
        await self._connection.close()
        ends = [asyncio.create_task(one.wait()) for one in self._processes if one.returncode is None]
        if ends:
            _, late = await asyncio.wait(ends, timeout=_KILLED_SECONDS)
            for end in late:
                end.cancel()

    async def _forward_engine(self) -> Path:
        found = self._facts if self._facts.socket else await self._ask()
        if not found.socket:
            raise facts.engine_missing(found, self.name)
        self.engine_socket = found.socket
        master = self._connected()
        folder = master.files.folder
        if self._likely is not None and self._likely.parent == folder:
            if found.socket == facts.USUAL:
                return self._likely
            master.skip_log()  # about a socket that is not there: it says nothing of this one
        path = folder / "engine"
        await self._connection.forward(path, Destination(found.socket))
        return path

    async def _ask(self) -> Facts:
        """Ask for the facts again: Docker may have been installed or stopped in between."""
        done = await self._command(facts.COMMAND, mark=None, stdin=None, seconds=_FACTS_SECONDS, what="facts")
        found = facts.find(done.stdout.decode(errors="replace"))
        if found is None:
            raise self._cannot_run(done)
        return found

    def _cannot_run(self, done: Completed) -> ServerError:
        """The error for a login that runs something else: a forced command, or a shell like nologin."""
        output = done.stderr or done.stdout
        return ServerError(
            f"{self.name} does not run commands as it should",
            cause=failures.last_words(output.decode(errors="replace")),
        )

    async def _command(
        self, line: str, *, mark: str | None, stdin: bytes | None, seconds: float, what: str
    ) -> Completed:
        """Run a command line in the server's login shell; `mark` is that of a framed one."""
        master = self._connected()
        async with master.sessions.one():
            try:
                done = await child.complete(
                    self._client(line),
                    stdin=stdin,
                    seconds=seconds,
                    group=master.group,
                    give_up=partial(self._give_up, mark),
                )
            except TimeoutError as error:
                raise ServerError(
                    f"`{what}` did not end within {seconds:.0f} seconds on {self.name}"
                ) from error
        if done.exit_code == _FAILED:
            await self._raise_if_not_run(done.stderr.decode(errors="replace"))
        return done

    async def _give_up(
        self, mark: str | None, _transport: asyncio.SubprocessTransport, capture: Capture
    ) -> None:
        """End a command on the server. Its ssh process is killed afterwards: it ignores SIGTERM."""
        if mark is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                while (pid := process_id(bytes(capture.stderr), mark)) is None:
                    if not await capture.news():
                        return
                argv = self._client(quoting.kill(pid))
                await child.complete(
                    argv, seconds=_END_SECONDS, group=self._connection.master.group, give_up=_leave
                )

    async def _raise_if_not_run(self, output: str) -> None:
        """Tell ssh's own status 255 from a command's: ssh may print nothing when the connection breaks."""
        if "Session open refused by peer" in output:
            raise failures.failure(self._connection.attempt, output)
        if not await self._connection.stands():
            raise self._connection.lost()

    def _client(self, line: str, *options: str) -> list[str]:
        return ["ssh", *client(self._connection.master.files.socket), *options, "--", "ftl", line]

    def _connected(self) -> Master:
        """The master of a connection that stands.

        Raises:
            ServerError: The connection is lost.
        """
        if not self._connection.alive:
            raise self._connection.lost()
        return self._connection.master


async def _leave(_transport: asyncio.SubprocessTransport, _capture: Capture) -> None:
    """Do nothing before the child is killed."""
