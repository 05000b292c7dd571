"""One way to a server: an ssh master, found or started, and the first command over it, which prints the facts.

The master is `ssh -M` with ControlPersist: once logged in it goes on in the background, and the process that was
started runs one command over it. Our open control connection keeps the master alive; `Place.persist` is how long it
stays afterwards.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.child import Capture, terminate
from ftl.ssh import facts, reaper, target
from ftl.ssh.control import Control, ControlFailed
from ftl.ssh.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.ssh.facts import Facts
    from ftl.ssh.kept import Place
    from ftl.ssh.target import Destination, Resolved, Target

_CHECK_SECONDS = 1.0
"""For the master of a kept connection to answer: a process of this machine."""

_LOOK_SECONDS = 0.005
"""Between two looks for the control socket, which the master opens when it has logged in."""

_LOG_BYTES = 16 * 1024

# Ctrl-C reaches every process of the terminal; what is under way on the server is still to be undone over this
# connection. ssh leaves signals ignored that it finds ignored.
_DEAF = 'trap "" INT HUP; exec "$@"'


class NoFacts(Exception):
    """The first command ended without printing the server's facts.

    Attributes:
        status: Its exit status; 255 is ssh's own.
    """

    def __init__(self, status: int, output: str) -> None:
        super().__init__(output)
        self.status = status
        self.output = output


@dataclass(frozen=True, slots=True)
class _First:
    """The first command, which is started with its outputs kept."""

    transport: asyncio.SubprocessTransport
    capture: Capture

    @property
    def status(self) -> int | None:
        """Its exit status; None: it still runs, as far as is known."""
        return self.transport.get_returncode()

    def facts(self) -> Facts | None:
        """The facts in what it has printed so far, in whole lines."""
        lines, _, _ = bytes(self.capture.stdout).rpartition(b"\n")
        return facts.find(lines.decode(errors="replace"))

    async def end(self, *, asks: bool) -> None:
        """End it; one that may be asking for a passphrase is to restore the terminal."""
        if asks and self.status is None:
            await terminate(self.transport, self.capture)
        self.transport.close()


class Link:
    """A way to a server, to be left by `leave`.

    Attributes:
        place: Its files.
        control: To the master; None before that has logged in.
        sessions: Those of the connection.
    """

    def __init__(
        self, place: Place, guard: Process, first: _First, control: Control | None, skipped: int
    ) -> None:
        self.place = place
        self.control = control
        self.sessions = Sessions(place.socket.parent if place.shared else None)
        self._guard = guard
        self._first = first
        self._skipped = skipped
        self._opening = asyncio.Lock()
        self._forwards: dict[Path, Destination] = {}
        self._left = False

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self.control is not None and self.control.alive

    @property
    def group(self) -> int:
        """The process group for ssh processes that are to end with us."""
        return self._guard.pid

    @property
    def log(self) -> str:
        """What ssh has said since we are here, the last of it."""
        try:
            with self.place.log.open("rb") as log:
                log.seek(max(self._skipped, log.seek(0, os.SEEK_END) - _LOG_BYTES))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def skip_log(self) -> None:
        """Leave what ssh has said until now out of `log`."""
        with suppress(OSError):
            self._skipped = self.place.log.stat().st_size

    async def logged_in(self) -> bool:
        """Wait until there is a master that has logged in, or the attempt has failed: false."""
        async with self._opening:
            # Another process makes it: bound under another name, and then linked.
            while self.control is None and self._first.status is None and not self.place.socket.exists():  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
            if self.control is None:
                with suppress(FileNotFoundError, ConnectionRefusedError, ControlFailed):
                    self.control = await Control.open(self.place.socket)
        return self.alive

    async def facts(self) -> Facts:
        """Wait for the first command to print the server's facts.

        Raises:
            NoFacts: It ended without them.
        """
        running = True
        while (found := self._first.facts()) is None:
            if not running:
                output = bytes(self._first.capture.stdout).decode(errors="replace")
                raise NoFacts(self._first.status or 0, output)
            running = await self._first.capture.news()
        return found

    async def forward(self, path: Path, destination: Destination) -> None:
        """Have connections to a unix socket here lead to a destination there.

        Raises:
            ControlFailed: The master is gone, or refuses.
        """
        if self.control is None:
            raise ControlFailed("the ssh master has ended")
        with (self.place.folder / reaper.FORWARDS).open("a") as file:
            file.write(f"{path}:{destination}\n")
        await self.control.forward(path, destination)
        self._forwards[path] = destination

    async def leave(self) -> None:
        """Leave no process, forward or file of ours; bounded. A master that is not kept ends."""
        if self._left:
            return
        self._left = True
        try:
            if (
                await self._tidied()
            ):  # the reaper has nothing left to do, which would take processes of its own
                shutil.rmtree(self.place.folder, ignore_errors=True)
            await self._first.end(asks=self.control is None)
            await reaper.release(self._guard)
        finally:
            if self.place.remove() and self.control is not None:
                await self.control.terminate()
            if self.control is not None:
                self.control.close()

    async def _tidied(self) -> bool:
        """Do what the reaper would do; false: it is to do it."""
        if self.control is None:
            return False
        if not self.place.shared:
            await self.control.terminate()
            return not self.control.alive
        with suppress(ControlFailed):
            for path, destination in self._forwards.items():
                await self.control.cancel(path, destination)
            return True
        return not self.control.alive


async def attach(place: Place) -> Link | None:
    """Use a kept master that is there.

    Returns:
        None where there is none.

    Raises:
        ControlFailed: There is one, and it does not answer.
    """
    try:
        control = await Control.open(place.socket, seconds=_CHECK_SECONDS)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    try:
        command = ["ssh", *target.client(place.socket), "--", "ftl", facts.COMMAND]
        return await _begin(place, command, control)
    except BaseException:
        control.close()
        raise


async def start(place: Place, server: Target, resolved: Resolved, *, interactive: bool) -> Link:
    """Begin to connect."""
    options = target.master(
        server, resolved, place.socket, interactive=interactive, persist=place.persist, log=place.log
    )
    command = ["sh", "-c", _DEAF, "sh", "ssh", *options, "--", server.address, facts.COMMAND]
    return await _begin(place, command, None, interactive=interactive)


async def _begin(
    place: Place, command: Sequence[str], control: Control | None, *, interactive: bool = False
) -> Link:
    """Start the reaper and the first command; one that may ask has to be in the terminal's process group."""
    guard = await reaper.start(place)
    try:
        with place.log.open("ab") as log:
            skipped = log.tell()
            transport, capture = await asyncio.get_running_loop().subprocess_exec(
                Capture,
                *command,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                process_group=None if interactive else guard.pid,
            )
    except BaseException:
        await reaper.release(guard)
        raise
    return Link(place, guard, _First(transport, capture), control, skipped)
