"""The one ssh process that holds a server's connection: what it says while it connects, and how it is ended.

`starting` tells how it is begun, and why it ends with us however we end.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.child import complete, finish, stop
from ftl.errors import ServerError
from ftl.ssh import failures, survey, target
from ftl.ssh.configuration import resolve
from ftl.ssh.connecting import begin
from ftl.ssh.popen_adapter import Adopted

if TYPE_CHECKING:
    from ftl.ssh.connecting import Begun
    from ftl.ssh.survey import Survey

# Beyond ssh's own ConnectTimeout, which bounds the TCP connection alone. With a terminal somebody may have to
# type a passphrase or touch a key.
_LOGIN_SECONDS = 60.0
_TYPING_SECONDS = 300.0

# For ssh to end after its session.
_END_SECONDS = 1.0

# Between two looks for the socket that the master opens when it is let in.
_LOOK_SECONDS = 0.005

_COMPLAINTS = 50


class Master:
    """A connection: open from `connect` to `close`, or until it is lost."""

    def __init__(self, server: target.Target, *, interactive: bool, begun: Begun | None = None) -> None:
        self.server = server
        self._interactive = interactive
        self._begun = begun
        self._patience = _TYPING_SECONDS if interactive else _LOGIN_SECONDS
        self._deadline = 0.0
        self._adopting = asyncio.Lock()
        self._process: Adopted | None = None
        self._reaper: Adopted | None = None
        self._stdout: asyncio.StreamReader | None = None
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
            await self._adopted()
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
            return await self._greeting(await self._adopted())
        except BaseException:
            await self.close()
            raise

    async def _adopted(self) -> Adopted:
        """The connection that is there, or is coming: begun now, where it was not before."""
        async with self._adopting:
            if self._process is None:
                if self._begun is None:
                    resolved = await resolve(self.server)
                    self._begun = begin(self.server, resolved, interactive=self._interactive)
                await shielded(self._adopt(self._begun))
            assert self._process is not None
            return self._process

    async def _adopt(self, begun: Begun) -> None:
        self.attempt = failures.Attempt(self.server, begun.resolved)
        self.folder, self.socket = begun.folder, begun.socket
        self._reaper = Adopted(begun.reaper)
        process = Adopted(begun.master)
        self._stdout = await process.read(begun.master.stdout)
        self._listening = asyncio.create_task(self._listen_to(await process.read(begun.master.stderr)))
        self._deadline = asyncio.get_running_loop().time() + self._patience
        self._process = process

    async def _greeting(self, process: Adopted) -> Survey:
        assert self._stdout is not None
        try:
            async with asyncio.timeout_at(self._deadline):
                async for line in self._stdout:
                    found = survey.read(line.decode(errors="replace"))
                    if found is not None:
                        return found
                    self.complaints.append(line.decode(errors="replace").rstrip())
                status = await _status(process)
        except TimeoutError as error:
            raise ServerError(
                f"{self.server.host} did not let us in within {self._patience:.0f} seconds",
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
                f"{self.attempt.resolved.user} cannot run commands on {self.server.host}",
                cause=failures.last_words(self._said()) or f"the login shell ended with status {status or 0}",
                hint=f"`ssh {self.attempt.login} echo ok` must print ok",
            )
        refused = failures.failure(self.attempt, self._said())
        key = self.server.key
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
            f"the connection to {self.server.host} was lost",
            cause=failures.last_words(self._said()),
            hint="when the server answers again, run the command again: it goes on from what is there",
        )

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._process is not None and self._process.returncode is None

    def _said(self) -> str:
        return "\n".join(self.complaints)

    async def _listen_to(self, stderr: asyncio.StreamReader) -> None:
        async for line in stderr:
            self.complaints.append(line.decode(errors="replace").rstrip())

    async def close(self) -> None:
        """End the connection and everything that goes through it; bounded, and complete even when cancelled."""
        if self._begun is not None:
            await shielded(self._close(self._begun))

    async def _close(self, begun: Begun) -> None:
        process = await self._adopted()
        begun.leave()
        try:
            await finish(process)
            if self._reaper is not None:
                await finish(self._reaper)
        finally:
            if self._listening is not None:
                self._listening.cancel()
            process.close()
            shutil.rmtree(self.folder, ignore_errors=True)


async def _status(process: Adopted) -> int | None:
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
