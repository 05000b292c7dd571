"""Connection to a server: by a kept master where one answers, else by a new one.

A kept master that does not answer is replaced at once: ssh itself notices a network that has gone only after a minute,
and a server that has rebooted only when something is sent.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.child import complete
from ftl.common.figures import duration
from ftl.errors import HostKeyChanged, ServerError
from ftl.ssh import failures, target
from ftl.ssh.configuration import resolve
from ftl.ssh.multiplexing import kept, master
from ftl.ssh.multiplexing.control import ControlFailed
from ftl.ssh.multiplexing.master import LOGIN_BYTES, NoFacts, TooMuchOutput

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.ssh.facts import LoginFacts
    from ftl.ssh.multiplexing.kept import ConnectionFiles, Persistence
    from ftl.ssh.multiplexing.master import Master
    from ftl.ssh.target import ForwardDestination, Target

# Beyond ssh's own ConnectTimeout, which bounds the TCP connection alone. On a terminal the user may have to type a
# passphrase or touch a key.
_LOGIN_SECONDS = 60.0
_TYPING_SECONDS = 300.0

_KEPT_SECONDS = 3.0
"""Time for the server to answer over a kept connection."""


class Connection:
    """A connection: open from `connect` to `close`, or until it is lost.

    `interactive`: ssh may ask for a passphrase or confirmation on the terminal. `keep` is how long it stays afterwards;
    one that an earlier command left is used.
    """

    def __init__(self, server: Target, *, interactive: bool, keep: Persistence) -> None:
        self.server = server
        self.attempt = failures.Attempt(server, target.UNRESOLVED)
        self._interactive = interactive
        self._keep = keep
        self._patience = _TYPING_SECONDS if interactive else _LOGIN_SECONDS
        self._deadline = 0.0
        self._heard = 0.0
        self._starting = asyncio.Lock()
        self._master: Master | None = None

    async def log_in(self) -> bool:
        """Start to connect, and wait for the login, after which forwards are possible.

        Returns:
            Whether it succeeded; if not, `connect` raises the reason.

        Raises:
            ServerError: ssh cannot be run.
        """
        try:
            new = await self._started()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._deadline):
                    return await new.logged_in()
        except BaseException:
            await self.close()
            raise
        return False

    async def begin_facts(self) -> None:
        """Ask a server that has let us in for its facts, without waiting for them."""
        with suppress(OSError):  # `connect` raises it
            await self.master.begin_facts()

    async def connect(self) -> LoginFacts:
        """Connect, and return the server's facts.

        Raises:
            ServerError: The server cannot be reached or refuses us.
            HostKeyChanged: It is not the server that is known by this name.
        """
        try:
            facts = await self._first_facts()
        except HostKeyChanged:
            await kept.retire_server(self.attempt.resolved, os.environ)
            await self.close()
            raise
        except BaseException:
            await self.close()
            raise
        self.heard()
        return facts

    async def _first_facts(self) -> LoginFacts:
        current = await self._started()
        if current.attached:
            with suppress(NoFacts, TooMuchOutput, TimeoutError):
                async with asyncio.timeout(_KEPT_SECONDS):
                    return await current.facts()
            current = await shielded(self._replace(current))
        return await self._facts_of(current)

    async def forward(self, path: Path, destination: ForwardDestination) -> None:
        """Listen on a unix socket of this machine, and connect its clients to a destination.

        Raises:
            ServerError: The connection is lost, or the master refuses.
        """
        try:
            await self.master.forward(path, destination)
        except ControlFailed as error:
            if not self.alive:
                raise self.lost() from error
            raise ServerError(f"ssh cannot forward {path} to {destination}", cause=str(error)) from error

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._master is not None and self._master.alive

    async def stands(self) -> bool:
        """Ask the master whether it runs. It ends when it notices that the network has gone."""
        if self._master is None or self._master.control is None:
            return False
        try:
            await self._master.control.check()
        except ControlFailed:
            return False
        return True

    @property
    def master(self) -> Master:
        """The master, which has been started."""
        assert self._master is not None
        return self._master

    def heard(self) -> None:
        """Note that the server has answered just now."""
        self._heard = asyncio.get_running_loop().time()

    def lost(self) -> ServerError:
        """The error for a connection that broke, or over which the server no longer answers.

        In the background ssh logs why it ended, with one exception: "Connection to ... closed by remote host" goes to
        its stderr alone (seen on 9.2).
        """
        log = self._master.log if self._master is not None else ""
        silent = asyncio.get_running_loop().time() - self._heard
        since = datetime.now().astimezone() - timedelta(seconds=silent)
        no_answer = f"no answer for {duration(silent)}, since {since:%H:%M:%S}"
        return ServerError(
            f"the connection to {self.server.host} was lost",
            cause=no_answer if self.alive else failures.last_words(log) or "the server closed it",
            hint="when the server answers again, run the command again: it continues from the current state",
        )

    async def close(self) -> None:
        """Leave the connection; bounded, and complete even when cancelled. Idempotent."""
        if self._master is not None:
            await shielded(self._master.leave())

    async def _started(self) -> Master:
        """The master, started now where it was not before."""
        async with self._starting:
            if self._master is None:
                resolved = await resolve(self.server)
                self.attempt = failures.Attempt(self.server, resolved)
                await shielded(self._attach_or_start())
            return self.master

    async def _attach_or_start(self) -> None:
        self._deadline = asyncio.get_running_loop().time() + self._patience
        files = self._kept_files()
        await kept.retire_former(self._keep.project, files, os.environ)
        if files is not None:
            try:
                self._master = await master.attach(files)
            except ControlFailed:  # the process is stuck
                files.retire()
                files.remove()
                files = self._kept_files()
        if self._master is None:
            await self._start(files or kept.own_files())

    async def _replace(self, stale: Master) -> Master:
        """Start a master in place of a kept one over which the server does not answer."""
        async with self._starting:
            self._deadline = asyncio.get_running_loop().time() + self._patience
            stale.files.retire()
            await stale.leave()
            await self._start(self._kept_files() or kept.own_files())
            return self.master

    def _kept_files(self) -> ConnectionFiles | None:
        return kept.kept_files(self.server, self.attempt.resolved, self._keep, os.environ)

    async def _start(self, files: ConnectionFiles) -> None:
        try:
            self._master = await master.start(
                files, self.server, self.attempt.resolved, interactive=self._interactive
            )
        except BaseException:
            files.remove()
            raise

    async def _facts_of(self, new: Master) -> LoginFacts:
        """The facts that a new master's first command prints.

        Raises:
            ServerError: There are none, with the reason.
        """
        try:
            async with asyncio.timeout_at(self._deadline):
                facts = await new.facts()
                if await new.logged_in():
                    return facts
        except NoFacts as error:
            raise await self._refusal(error.status, f"{new.log}\n{error.output}") from None
        except TooMuchOutput:
            raise failures.prints_too_much(self.server.host, LOGIN_BYTES) from None
        except TimeoutError as error:
            raise ServerError(
                f"{self.server.host} did not complete the login within {self._patience:.0f} seconds",
                cause=failures.last_words(new.log),
                hint=f"`ssh {self.attempt.login}` must work",
            ) from error
        raise ServerError(
            f"ssh does not share its connection to {self.server.host}",
            cause=failures.last_words(new.log),
            hint=f"can it make a socket in {new.files.socket.parent}?",
        )

    async def _refusal(self, status: int, output: str) -> ServerError:
        """The error for a connection that did not succeed."""
        if status != 255:
            return ServerError(
                f"{self.attempt.resolved.user} cannot run commands on {self.server.host}",
                cause=failures.last_words(output) or f"the login shell ended with status {status}",
                hint=f"`ssh {self.attempt.login} echo ok` must print ok",
            )
        refused = failures.failure(self.attempt, output)
        key = self.server.key
        if key is not None and not self._interactive and await _wants_passphrase(key):
            return ServerError(
                f"the SSH key {key} has a passphrase, and there is no terminal to ask for it",
                cause=refused.cause,
                hint=f"`ssh-add {key}` gives it to the agent",
            )
        return refused


async def _wants_passphrase(key: Path) -> bool:
    """Whether a private key is encrypted; ssh itself passes over such a key silently when it may not ask."""
    argv = ["ssh-keygen", "-y", "-P", "", "-f", str(key)]
    with suppress(FileNotFoundError, TimeoutError):
        answer = await complete(argv, seconds=_LOGIN_SECONDS)
        return answer.exit_code != 0 and b"incorrect passphrase" in answer.stderr
    return False
