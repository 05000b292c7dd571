"""A server over the system's OpenSSH: one master connection, shared by parallel commands and forwards."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

from ftl import child
from ftl.child import Completed
from ftl.errors import FtlError, ServerError, UsageError
from ftl.ssh import failures, quoting, survey, target
from ftl.ssh.connecting import has_terminal
from ftl.ssh.master import Master

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from ftl.ssh.connecting import Begun
    from ftl.ssh.survey import Survey
    from ftl.ssh.target import Target

# sshd's MaxSessions is 10 by default. One is the master's own; a deploy's lock and a transfer's three channels are
# kept open by `start`; and one ends a command that is given up.
_SESSIONS = 4

# Seconds for what happens between two processes of this machine.
_CONTROL_SECONDS = 10.0
_SURVEY_SECONDS = 15.0

# Seconds for ending a command there that is given up.
_END_SECONDS = 5.0

_FAILED = 255


def connect(server: Target, *, interactive: bool | None = None) -> OpenSSH:
    """A server to be entered with `async with`, which connects.

    Args:
        server: Which one, and as whom.
        interactive: Whether ssh may ask for a passphrase or confirmation on the terminal; None: if there is one.
    """
    return OpenSSH(Master(server, interactive=has_terminal() if interactive is None else interactive))


def arriving(begun: Begun) -> OpenSSH:
    """The same for a connection that is coming already, which is this server's from now on."""
    return OpenSSH(Master(begun.server, interactive=begun.interactive, begun=begun))


class OpenSSH:
    """A `Machine` over SSH."""

    def __init__(self, master: Master) -> None:
        self.name = master.server.host
        self.engine_socket = ""
        self._master = master
        self._survey = survey.NOTHING
        self._sessions = asyncio.Semaphore(_SESSIONS)
        self._dialled: dict[str, Path] = {}
        self._dialling = asyncio.Lock()
        self._engine_url: str | None = None
        self._likely: str | None = None
        self._engine_lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ServerError: The server cannot be reached or refuses us.
            HostKeyChanged: It is not the server that is known by this name.
        """
        self._survey = await self._master.connect()
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
        done = await self._command(quoting.tracked(argv), stdin=stdin, seconds=timeout, what=argv[0])
        _pid, stderr = quoting.untracked(done.stderr)
        return Completed(tuple(argv), done.exit_code, done.stdout, stderr)

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a command; see Machine."""
        if not self._master.alive:
            raise self._master.lost()
        return await child.start(self._client(quoting.command_line(argv)))

    async def likely_engine_url(self) -> str | None:
        """The usual socket, forwarded as soon as the server has let us in; see Machine."""
        async with self._engine_lock:
            if self._likely is None and await self._master.let_in():
                path = self._master.folder / "usual"
                with suppress(ServerError):  # entering tells why
                    await self._forward(path, survey.USUAL)
                    self._likely = f"unix://{path}"
        return self._likely

    async def engine_url(self) -> str:
        """The engine's socket, forwarded; see Machine."""
        async with self._engine_lock:
            if self._engine_url is None:
                self._engine_url = await self._forward_engine()
        return self._engine_url

    async def explain(self) -> FtlError | None:
        """Why the engine does not answer; see Machine."""
        if self._survey is survey.NOTHING:
            return None  # the greeting is to tell first
        try:
            now = await self._ask()
        except ServerError as error:
            return error
        if not now.socket:
            return survey.without_engine(now, self.name)
        return survey.silent_engine(now, self.name, list(self._master.complaints))

    @asynccontextmanager
    async def dial(self, host: str, port: int) -> AsyncIterator[str]:
        """A unix socket here that leads to host:port there; see Machine.

        The forward stays for the next caller: health checks ask again and again, and each forward costs a process.
        """
        destination = _destination(host, port)
        async with self._dialling:
            path = self._dialled.get(destination)
            if path is None:
                path = self._master.folder / f"dial{len(self._dialled)}"
                await self._forward(path, destination)
                self._dialled[destination] = path
        yield f"unix://{path}"

    async def close(self) -> None:
        """End the connection; see Machine."""
        await self._master.close()

    async def _forward_engine(self) -> str:
        found = self._survey if self._survey.socket else await self._ask()
        if not found.socket:
            raise survey.without_engine(found, self.name)
        self.engine_socket = found.socket
        if self._likely is not None:
            if found.socket == survey.USUAL:
                return self._likely
            self._master.complaints.clear()  # about a socket that is not there: it says nothing of this one
        path = self._master.folder / "engine"
        await self._forward(path, found.socket)
        return f"unix://{path}"

    async def _ask(self) -> Survey:
        """The survey as it is now: Docker may have come or gone since the greeting."""
        done = await self._command(survey.SURVEY, stdin=None, seconds=_SURVEY_SECONDS, what="survey")
        lines = done.stdout.decode(errors="replace").splitlines()
        found = next((read for read in map(survey.read, lines) if read is not None), None)
        if found is None:
            raise ServerError(
                f"{self.name} does not run commands as it should",
                cause=failures.last_words(done.stderr.decode(errors="replace")),
            )
        return found

    async def _command(self, line: str, *, stdin: bytes | None, seconds: float, what: str) -> Completed:
        """Run a command line in the login shell there."""
        if not self._master.alive:
            raise self._master.lost()
        async with self._sessions:
            try:
                done = await child.complete(
                    self._client(line), stdin=stdin, seconds=seconds, give_up=self._give_up
                )
            except TimeoutError as error:
                raise ServerError(
                    f"`{what}` did not end within {seconds:.0f} seconds on {self.name}"
                ) from error
        if done.exit_code == _FAILED:
            await self._raise_if_not_run(done.stderr.decode(errors="replace"))
        return done

    async def _give_up(self, _transport: asyncio.SubprocessTransport, capture: child.Capture) -> None:
        """End a command there; its ssh here is then killed: SIGTERM it ignores while its session is open."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                while (pid := quoting.untracked(bytes(capture.stderr))[0]) is None:
                    if not await capture.news():
                        return
                argv = self._client(quoting.end(pid))
                await child.complete(argv, seconds=_END_SECONDS, give_up=_leave)

    async def _raise_if_not_run(self, said: str) -> None:
        """Tell ssh's own 255 from a command's: of a connection that breaks in the middle it may say nothing."""
        if "Session open refused by peer" in said:
            raise failures.failure(self._master.attempt, said)
        if not await self._stands():
            raise self._master.lost()

    async def _stands(self) -> bool:
        """Whether the master still answers."""
        argv = ["ssh", *target.client(self._master.socket), "-O", "check", "--", "ftl"]
        try:
            return (await child.complete(argv, seconds=_CONTROL_SECONDS)).exit_code == 0
        except TimeoutError:
            return False

    def _client(self, line: str) -> list[str]:
        return ["ssh", *target.client(self._master.socket), "--", "ftl", line]

    async def _forward(self, path: Path, destination: str) -> None:
        """Ask the master to lead a unix socket here to an address or a socket there.

        Raises:
            ServerError: It is gone, or cannot.
        """
        argv = [
            "ssh",
            *target.client(self._master.socket),
            "-O",
            "forward",
            "-L",
            f"{path}:{destination}",
            "--",
            "ftl",
        ]
        try:
            done = await child.complete(argv, seconds=_CONTROL_SECONDS)
        except TimeoutError as error:
            raise self._master.lost() from error
        if done.exit_code == 0:
            return
        if not self._master.alive:
            raise self._master.lost()
        said = "\n".join([*self._master.complaints, done.stderr.decode(errors="replace")])
        raise ServerError(f"ssh cannot forward {path} to {destination}", cause=failures.last_words(said))


def _destination(host: str, port: int) -> str:
    """HOST:PORT as a part of ssh's -L.

    Raises:
        UsageError: It would be read as something else.
    """
    if (
        not host
        or any(character.isspace() or character in "/[]" for character in host)
        or not 0 < port < 65536
    ):
        raise UsageError(f"{host}:{port} is not an address")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _leave(_transport: asyncio.SubprocessTransport, _capture: child.Capture) -> None:
    """Kill a child as it is."""
