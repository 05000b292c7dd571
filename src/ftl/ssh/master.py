"""The one ssh process that holds a server's connection, and the guarantee that it ends when we do.

It runs in the foreground as our child, and its remote command is a `cat` that reads our pipe. Beside it a second
child, the reaper, reads another pipe of ours: when that ends, because we close it or because we are gone, however
we went (kill -9 included), it asks the master to exit and removes the folder with the sockets. So one mechanism
serves for the orderly end and for the other.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.child import READ_LIMIT, complete, finish, stop
from ftl.errors import ServerError
from ftl.ssh import failures, survey, target
from ftl.ssh.resolving import resolve

if TYPE_CHECKING:
    from ftl.ssh.survey import Survey

# Beyond ssh's own ConnectTimeout, which bounds the TCP connection alone. With a terminal somebody may have to
# type a passphrase or touch a key.
_LOGIN_SECONDS = 60.0
_TYPING_SECONDS = 300.0

# For ssh to end after its session.
_END_SECONDS = 1.0

# Between two looks for the socket that the master opens when it is let in.
_LOOK_SECONDS = 0.005

# A unix socket's path ends at 104 bytes on macOS, and ssh appends 17 to it while it binds.
_LONGEST_FOLDER = 60

# Ctrl-C reaches every process of the terminal; what is under way on the server is still to be undone over this
# connection. ssh leaves signals ignored that it finds ignored.
_DEAF = 'trap "" INT HUP; exec "$@"'

_REAPER = 'trap "" INT HUP TERM; cat >/dev/null; ssh -F /dev/null -S "$1" -O exit -- ftl; rm -rf -- "$2"'

_COMPLAINTS = 50


class Master:
    """A connection: open from `connect` to `close`, or until it is lost."""

    def __init__(self, server: target.Target, *, interactive: bool) -> None:
        self._server = server
        self._interactive = interactive
        self._patience = _TYPING_SECONDS if interactive else _LOGIN_SECONDS
        self._deadline = 0.0
        self._beginning = asyncio.Lock()
        self._process: Process | None = None
        self._reaper: Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self.folder = Path()
        self.socket = Path()
        self.complaints: deque[str] = deque(maxlen=_COMPLAINTS)
        self.attempt = failures.Attempt(server, target.Resolved("", "", "22", strict=False))

    async def let_in(self) -> bool:
        """Begin to connect, and wait until the server knows who we are: forwards can be asked for from then on.

        Returns:
            Whether it has let us in; why it has not, `connect` tells.

        Raises:
            ServerError: ssh cannot even begin.
        """
        try:
            await self._begun()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._deadline):
                    # Another process makes it: bound under another name, and then linked.
                    while self.alive and not self.socket.exists():  # noqa: ASYNC110
                        await asyncio.sleep(_LOOK_SECONDS)
            return self.alive and self.socket.exists()
        except BaseException:
            await self.close()
            raise

    async def connect(self) -> Survey:
        """Connect, and hear what the server says about itself.

        Raises:
            ServerError: It cannot be reached, refuses us, or is not the one we know.
        """
        try:
            return await self._greeting(await self._begun())
        except BaseException:
            await self.close()
            raise

    async def _begun(self) -> Process:
        """The connection that is there, or is coming."""
        async with self._beginning:
            if self._process is None:
                self._process = await self._begin()
                self._deadline = asyncio.get_running_loop().time() + self._patience
            return self._process

    async def _begin(self) -> Process:
        resolved = await resolve(self._server)
        self.attempt = failures.Attempt(self._server, resolved)
        self.folder = _private_folder()
        self.socket = self.folder / "master"
        self._reaper = await asyncio.create_subprocess_exec(
            *("sh", "-c", _REAPER, "ftl-reaper", str(self.socket), str(self.folder)),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
        options = target.master(self._server, resolved, self.socket, interactive=self._interactive)
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", _DEAF, "sh", "ssh", *options, "--", self._server.address, survey.GREETING),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=READ_LIMIT,
            start_new_session=not self._interactive,
        )
        self._listening = asyncio.create_task(self._listen_to(process))
        return process

    async def _greeting(self, process: Process) -> Survey:
        assert process.stdout is not None
        try:
            async with asyncio.timeout_at(self._deadline):
                async for line in process.stdout:
                    found = survey.read(line.decode(errors="replace"))
                    if found is not None:
                        return found
                    self.complaints.append(line.decode(errors="replace").rstrip())
                status = await _status(process)
        except TimeoutError as error:
            raise ServerError(
                f"{self._server.host} did not let us in within {self._patience:.0f} seconds",
                cause=failures.last_words(self._said()),
                hint=f"`ssh {self.attempt.login}` must work",
            ) from error
        if self._listening is not None:
            await self._listening  # its stderr, to the last line
        raise await self._refusal(status)

    async def _refusal(self, status: int | None) -> ServerError:
        """Why the connection did not come to be."""
        if status != 255:
            return ServerError(
                f"{self.attempt.resolved.user} cannot run commands on {self._server.host}",
                cause=failures.last_words(self._said()) or f"the login shell ended with status {status or 0}",
                hint=f"`ssh {self.attempt.login} echo ok` must print ok",
            )
        refused = failures.failure(self.attempt, self._said())
        key = self._server.key
        if key is not None and not self._interactive and await _wants_passphrase(key):
            return ServerError(
                f"the SSH key {key} has a passphrase, and there is no terminal to ask for it",
                cause=refused.cause,
                hint=f"`ssh-add {key}` gives it to the agent",
            )
        return refused

    def lost(self) -> ServerError:
        """The error for a connection that broke."""
        return ServerError(
            f"the connection to {self._server.host} was lost",
            cause=failures.last_words(self._said()),
            hint="when the server answers again, run the command again: it goes on from what is there",
        )

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._process is not None and self._process.returncode is None

    def _said(self) -> str:
        return "\n".join(self.complaints)

    async def _listen_to(self, process: Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            self.complaints.append(line.decode(errors="replace").rstrip())

    async def close(self) -> None:
        """End the connection and everything that goes through it; bounded, and complete even when cancelled."""
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
        try:
            if self._process is not None:
                if not self.socket.exists():  # it never came so far that it could be asked
                    await stop(self._process)
                await finish(self._process)
            if self._reaper is not None:
                await finish(self._reaper)
        finally:
            if self._listening is not None:
                self._listening.cancel()
            if self.folder != Path():
                shutil.rmtree(self.folder, ignore_errors=True)


def _private_folder() -> Path:
    """A new folder, 0700, short enough for sockets."""
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="ftl-", dir=usual if len(usual) <= _LONGEST_FOLDER else "/tmp"))  # noqa: S108


async def _status(process: Process) -> int | None:
    """How a connection ended whose session has; None if it had to be ended, for what else went through it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_SECONDS):
            return await process.wait()
    await stop(process)
    return None


async def _wants_passphrase(key: Path) -> bool:
    """Whether a private key is encrypted (ssh itself passes over such a key in silence when it may not ask)."""
    argv = ["ssh-keygen", "-y", "-P", "", "-f", str(key)]
    with suppress(FileNotFoundError, TimeoutError):
        answer = await complete(argv, seconds=_LOGIN_SECONDS)
        return answer.exit_code != 0 and b"incorrect passphrase" in answer.stderr
    return False
