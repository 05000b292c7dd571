"""A server's connection: the kept one where there is one, else a new one; and why there is none.

A kept connection that does not answer is given up for a new one at once: ssh itself notices a network that has gone
after a minute, and a server that has started again only when something is sent.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.child import complete
from ftl.errors import HostKeyChanged, ServerError
from ftl.ssh import failures, kept, link, target
from ftl.ssh.configuration import resolve
from ftl.ssh.control import ControlFailed
from ftl.ssh.link import NoFacts

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.ssh.facts import Facts
    from ftl.ssh.kept import Keep, Place
    from ftl.ssh.link import Link
    from ftl.ssh.target import Destination, Target

# Beyond ssh's own ConnectTimeout, which bounds the TCP connection alone. With a terminal somebody may have to
# type a passphrase or touch a key.
_LOGIN_SECONDS = 60.0
_TYPING_SECONDS = 300.0

_KEPT_SECONDS = 3.0
"""For the server to answer over a kept connection."""


class Connection:
    """A connection: open from `connect` to `close`, or until it is lost.

    Args:
        server: The server, and who logs in.
        interactive: Whether ssh may ask for a passphrase or confirmation on the terminal.
        keep: Whether it stays for later commands; then one that an earlier command has left is used.
    """

    def __init__(self, server: Target, *, interactive: bool, keep: Keep) -> None:
        self.server = server
        self.attempt = failures.Attempt(server, target.UNRESOLVED)
        self._interactive = interactive
        self._keep = keep
        self._patience = _TYPING_SECONDS if interactive else _LOGIN_SECONDS
        self._deadline = 0.0
        self._beginning = asyncio.Lock()
        self._link: Link | None = None

    async def log_in(self) -> bool:
        """Begin to connect, and wait until the server has let us in: forwards can be asked for from then on.

        Returns:
            Whether it has; `connect` says why not.

        Raises:
            ServerError: ssh cannot even begin.
        """
        try:
            coming = await self._begun()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._deadline):
                    return await coming.logged_in()
        except BaseException:
            await self.close()
            raise
        return False

    async def connect(self) -> Facts:
        """Connect; what the server says about itself.

        Raises:
            ServerError: It cannot be reached, refuses us, or is not the one that is known by its name.
        """
        try:
            coming = await self._begun()
            if coming.control is not None:
                with suppress(NoFacts, TimeoutError):
                    async with asyncio.timeout(_KEPT_SECONDS):
                        return await coming.facts()
                coming = await shielded(self._begin_anew(coming))
            return await self._greeting(coming)
        except HostKeyChanged:
            await kept.retire_server(self.attempt.resolved, os.environ)
            await self.close()
            raise
        except BaseException:
            await self.close()
            raise

    async def forward(self, path: Path, destination: Destination) -> None:
        """Have connections to a unix socket here lead to a destination there.

        Raises:
            ServerError: The connection is lost, or the master refuses.
        """
        try:
            await self.link.forward(path, destination)
        except ControlFailed as error:
            if not self.alive:
                raise self.lost() from error
            raise ServerError(f"ssh cannot forward {path} to {destination}", cause=str(error)) from error

    async def stands(self) -> bool:
        """Ask the master whether the connection stands; of the network it knows after ServerAliveInterval."""
        if self._link is None or self._link.control is None:
            return False
        try:
            await self._link.control.check()
        except ControlFailed:
            return False
        return True

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._link is not None and self._link.alive

    @property
    def link(self) -> Link:
        """The way to the server, which has been begun."""
        assert self._link is not None
        return self._link

    def lost(self) -> ServerError:
        """The error for a connection that broke.

        In the background ssh logs why it ended, except for this: "Connection to ... closed by remote host" goes to
        its stderr alone (seen on 9.2).
        """
        log = self._link.log if self._link is not None else ""
        return ServerError(
            f"the connection to {self.server.host} was lost",
            cause=failures.last_words(log) or "the server closed it",
            hint="when the server answers again, run the command again: it goes on from what is there",
        )

    async def close(self) -> None:
        """Leave the connection; bounded, and complete even when cancelled. More than once is no error."""
        if self._link is not None:
            await shielded(self._link.leave())

    async def _begun(self) -> Link:
        """The way that is there, or is coming: begun now, where it was not before."""
        async with self._beginning:
            if self._link is None:
                resolved = await resolve(self.server)
                self.attempt = failures.Attempt(self.server, resolved)
                await shielded(self._begin())
            return self.link

    async def _begin(self) -> None:
        self._deadline = asyncio.get_running_loop().time() + self._patience
        place = self._kept_place()
        await kept.retire_former(self._keep.project, place, os.environ)
        if place is not None:
            try:
                self._link = await link.attach(place)
            except ControlFailed:  # a process that is stuck
                place.retire()
                place.remove()
                place = self._kept_place()
        if self._link is None:
            await self._start(place or kept.own_place())

    async def _begin_anew(self, stale: Link) -> Link:
        """Make a new connection in place of a kept one that does not answer."""
        async with self._beginning:
            self._deadline = asyncio.get_running_loop().time() + self._patience
            stale.place.retire()
            await stale.leave()
            await self._start(self._kept_place() or kept.own_place())
            return self.link

    def _kept_place(self) -> Place | None:
        return kept.kept_place(self.server, self.attempt.resolved, self._keep, os.environ)

    async def _start(self, place: Place) -> None:
        try:
            self._link = await link.start(
                place, self.server, self.attempt.resolved, interactive=self._interactive
            )
        except BaseException:
            place.remove()
            raise

    async def _greeting(self, coming: Link) -> Facts:
        """What a new connection's first command prints."""
        try:
            async with asyncio.timeout_at(self._deadline):
                found = await coming.facts()
                if await coming.logged_in():
                    return found
        except NoFacts as error:
            raise await self._refusal(error.status, f"{coming.log}\n{error.output}") from None
        except TimeoutError as error:
            raise ServerError(
                f"{self.server.host} did not let us in within {self._patience:.0f} seconds",
                cause=failures.last_words(coming.log),
                hint=f"`ssh {self.attempt.login}` must work",
            ) from error
        raise ServerError(
            f"ssh does not share its connection to {self.server.host}",
            cause=failures.last_words(coming.log),
            hint=f"can it make a socket in {coming.place.socket.parent}?",
        )

    async def _refusal(self, status: int, output: str) -> ServerError:
        """Why the connection did not come to be."""
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
    """Whether a private key is encrypted (ssh itself passes over such a key in silence when it may not ask)."""
    argv = ["ssh-keygen", "-y", "-P", "", "-f", str(key)]
    with suppress(FileNotFoundError, TimeoutError):
        answer = await complete(argv, seconds=_LOGIN_SECONDS)
        return answer.exit_code != 0 and b"incorrect passphrase" in answer.stderr
    return False
