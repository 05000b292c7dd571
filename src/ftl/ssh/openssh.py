"""A server over the system's OpenSSH: commands and forwards over one connection."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

from ftl.errors import FtlError, ServerError
from ftl.ssh import facts, failures
from ftl.ssh.commands import Commands
from ftl.ssh.connection import Connection
from ftl.ssh.multiplexing import early
from ftl.ssh.multiplexing.kept import Persistence
from ftl.ssh.pool import Pool
from ftl.ssh.target import ForwardDestination

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from ftl.child import Completed
    from ftl.ssh.facts import LoginFacts
    from ftl.ssh.multiplexing.master import Master
    from ftl.ssh.target import Target

NOT_KEPT = Persistence()

# Seconds for the facts, over a connection that stands.
_FACTS_SECONDS = 15.0


def connect(server: Target, *, keep: Persistence = NOT_KEPT, interactive: bool | None = None) -> OpenSSH:
    """A server, not connected yet: `async with` does that.

    A connection that an earlier command left is used. `interactive`: ssh may ask for a passphrase or confirmation on
    the terminal; None: if there is one.
    """
    if interactive is None:
        interactive = may_ask()
    return OpenSSH(Connection(server, interactive=interactive, keep=keep))


def may_ask() -> bool:
    """Whether there is a terminal, on which ssh may ask for something."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class OpenSSH:
    """A `Machine` over SSH."""

    def __init__(self, connection: Connection) -> None:
        self.name = connection.server.host
        self.engine_socket = ""
        self.login_output = ""
        self._connection = connection
        self._pool = Pool(connection)
        self._commands = Commands(self.name, self._pool)
        self._facts = facts.UNKNOWN
        self._dialled: dict[ForwardDestination, Path] = {}
        self._dialling = asyncio.Lock()
        self._engine: Path | None = None
        self._likely: Path | None = None
        self._engine_lock = asyncio.Lock()

    @property
    def kept_folder(self) -> Path | None:
        """The folder of the kept connection; see Machine."""
        if not self._connection.alive:
            return None
        files = self._connection.master.files
        return files.socket.parent if files.shared else None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ServerError: The server cannot be reached or refuses us.
            HostKeyChanged: It is not the server that is known by this name.
        """
        self._facts = await self._connection.connect()
        self.login_output = self._facts.noise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Run a command to its end; see Machine."""
        return await self._commands.run(argv, stdin=stdin, seconds=timeout)

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a command; see Machine."""
        return await self._commands.start(argv)

    async def attach(self, argv: Sequence[str], *, terminal: bool) -> int:
        """Run a command with our streams; see Machine.

        ssh itself has the terminal: raw mode, its size, signals. Without one, what the login printed is left out.
        """
        return await self._commands.attach(argv, terminal=terminal)

    async def likely_engine_url(self) -> str | None:
        """The usual socket, forwarded right after the login; see Machine."""
        async with self._engine_lock:
            if self._likely is None and await self._connection.log_in():
                path = self._connection.master.files.usual
                with suppress(ServerError):  # entering raises it, too
                    await self._connection.forward(path, ForwardDestination(facts.USUAL))
                    self._likely = path
                if not early.is_sent(f"unix://{path}"):  # else the answers may tell as much
                    await self._connection.begin_facts()
        return None if self._likely is None else f"unix://{self._likely}"

    def trust_usual(self) -> bool:
        """Take it that the usual socket is the engine's; see Machine.

        The facts name the first socket that our user may use, and the usual one is tried first.
        """
        connection = self._connection
        if not (connection.alive and connection.master.attached and self._likely is not None):
            return False
        if self._facts is facts.UNKNOWN:
            user = connection.attempt.resolved.user
            self._facts = facts.LoginFacts(
                user, facts.USUAL, default_exists=True, installed=True, listening=True
            )
        connection.heard()
        return True

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
        destination = ForwardDestination(host, port)
        async with self._dialling:
            path = self._dialled.get(destination)
            if path is None:
                path = self._connected().files.folder / f"dial{len(self._dialled)}"
                await self._connection.forward(path, destination)
                self._dialled[destination] = path
        yield f"unix://{path}"

    async def close(self) -> None:
        """Leave the connections; see Machine."""
        await self._pool.close()
        await self._commands.wait()

    async def _forward_engine(self) -> Path:
        found = self._facts if self._facts.socket else await self._ask()
        if not found.socket:
            raise facts.engine_missing(found, self.name)
        self.engine_socket = found.socket
        master = self._connected()
        folder = master.files.folder
        if self._likely is not None and self._likely == master.files.usual:
            if found.socket == facts.USUAL:
                return self._likely
            master.skip_log()  # about a socket that is not there: it says nothing of this one
        path = folder / "engine"
        await self._connection.forward(path, ForwardDestination(found.socket))
        return path

    async def _ask(self) -> LoginFacts:
        """Ask for the facts again: Docker may have been installed or stopped in between."""
        done = await self.run(["sh", "-c", facts.script()], timeout=_FACTS_SECONDS)
        found = facts.find(done.text)
        if found is None:
            raise failures.runs_nothing(self.name, done.stderr or done.stdout)
        return found

    def _connected(self) -> Master:
        """The master of a connection that stands.

        Raises:
            ServerError: The connection is lost.
        """
        if not self._connection.alive:
            raise self._connection.lost()
        return self._connection.master
