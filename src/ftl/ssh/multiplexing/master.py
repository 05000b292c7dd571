"""An ssh master, started or attached to, and the first command over it.

The master is `ssh -M` with ControlPersist: once logged in it goes on in the background, and the process that was
started runs one command over it, which prints the server's facts. Our open control connection keeps the master alive;
`ConnectionFiles.persist` is how long it stays afterwards.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ftl.child import terminate
from ftl.common.programs import shell
from ftl.dataclass import dataclass
from ftl.spawn import Capture, spawn
from ftl.ssh import facts, target
from ftl.ssh.multiplexing import reaper
from ftl.ssh.multiplexing.control import Control, ControlFailed
from ftl.ssh.multiplexing.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.ssh.facts import LoginFacts
    from ftl.ssh.multiplexing.kept import ConnectionFiles
    from ftl.ssh.target import ForwardDestination, Resolved, Target

_CHECK_SECONDS = 1.0
"""Time for the master of a kept connection to answer: a process of this machine."""

_POLL_SECONDS = 0.005
"""Interval of looks for the control socket, which the master opens when it has logged in."""

_LOG_BYTES = 16 * 1024

_LOG_SECONDS = 1.0
"""Interval of looks at the size of the log."""

LOGIN_BYTES = 1 << 20
"""Limit of a login's output before the server's facts, on each stream."""

# Ctrl-C reaches every process of the terminal; commands under way on the server are still to be undone over this
# connection. ssh leaves signals ignored that it finds ignored.
_IGNORING_SIGNALS = 'trap "" INT HUP; exec "$@"'


class NoFacts(Exception):
    """The first command ended without printing the server's facts. Status 255 is ssh's own."""

    def __init__(self, status: int, output: str) -> None:
        super().__init__(output)
        self.status = status
        self.output = output


class TooMuchOutput(Exception):
    """The login prints without end before the server's facts."""


@dataclass(frozen=True, slots=True)
class _FirstCommand:
    """The process that prints the facts: a new master's own, or one that goes through a kept master."""

    transport: asyncio.SubprocessTransport
    capture: Capture

    @property
    def status(self) -> int | None:
        """Its exit status; None: it still runs, as far as is known."""
        return self.transport.get_returncode()

    def facts(self) -> LoginFacts | None:
        """The facts in the output so far, in whole lines."""
        lines, _, _ = bytes(self.capture.stdout).rpartition(b"\n")
        return facts.find(lines.decode(errors="replace"))

    async def end(self, *, prompting: bool) -> None:
        """End it; one that may be asking for a passphrase is given the time to restore the terminal."""
        if prompting and self.status is None:
            await terminate(self.transport, self.capture)
        self.transport.close()  # kills it if it still runs
        with suppress(TimeoutError):
            async with asyncio.timeout(_CHECK_SECONDS):
                await self.capture.ended()


class Master:
    """A connection's ssh master, as one command of ours uses it. To be left by `leave`.

    It is `attached` if an earlier command started it; `control` is None until it has logged in.
    """

    def __init__(
        self,
        files: ConnectionFiles,
        reaper_process: Process,
        first: _FirstCommand | None,
        control: Control | None,
        log_start: int,
    ) -> None:
        self.files = files
        self.attached = control is not None
        self.control = control
        self.sessions = Sessions(files.socket.parent if files.shared else None)
        self._reaper = reaper_process
        self._first = first
        self._log_start = log_start
        self._opening = asyncio.Lock()
        self._forwards: dict[Path, ForwardDestination] = {}
        self._left = False

    @property
    def alive(self) -> bool:
        """Whether the master has logged in and still runs, as far as is known."""
        return self.control is not None and self.control.alive

    @property
    def group(self) -> int:
        """Process group for ssh processes that are to end with us."""
        return self._reaper.pid

    @property
    def log(self) -> str:
        """The last of ssh's messages, none older than our use of the master."""
        try:
            with self.files.log.open("rb") as log:
                log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - _LOG_BYTES))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    @property
    def _log_size(self) -> int:
        """Bytes of ssh's messages since our use of the master began."""
        try:
            return self.files.log.stat().st_size - self._log_start
        except OSError:
            return 0

    def skip_log(self) -> None:
        """Leave all messages until now out of `log`."""
        with suppress(OSError):
            self._log_start = self.files.log.stat().st_size

    async def logged_in(self) -> bool:
        """Wait until the master has logged in (true), or the attempt has failed (false)."""
        async with self._opening:
            # Another process makes the socket: bound under another name, and then linked.
            while self.control is None and self._runs() and not self.files.socket.exists():  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
            if self.control is None:
                with suppress(FileNotFoundError, ConnectionRefusedError, ControlFailed):
                    self.control = await Control.open(self.files.socket)
        return self.alive

    def _runs(self) -> bool:
        return self._first is not None and self._first.status is None

    async def begin_facts(self) -> _FirstCommand:
        """Start the first command, unless it has been started; a new master begins with it."""
        async with self._opening:
            if self._first is None:
                command = ["ssh", *target.client(self.files.socket), "--", "ftl", facts.command()]
                self._first, _ = await _first_command(self.files, command, self.group)
            return self._first

    async def facts(self) -> LoginFacts:
        """Wait for the first command to print the server's facts.

        Raises:
            NoFacts: It ended without them.
            TooMuchOutput: It prints more than `LOGIN_BYTES` without them.
        """
        first = await self.begin_facts()
        running = True
        while (facts := first.facts()) is None:
            if max(len(first.capture.stdout), self._log_size) >= LOGIN_BYTES:
                raise TooMuchOutput
            if not running:
                output = bytes(first.capture.stdout).decode(errors="replace")
                raise NoFacts(first.status or 0, output)
            with suppress(TimeoutError):  # the log tells no news
                running = await asyncio.wait_for(first.capture.news(), _LOG_SECONDS)
        return facts

    async def first_command_ended(self) -> None:
        """Wait until the first command has ended: its session counts as well. Bounded."""
        if self._first is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_CHECK_SECONDS):
                self.sessions.note_end(await asyncio.shield(self._first.capture.exited))

    async def forward(self, path: Path, destination: ForwardDestination) -> None:
        """Listen on a unix socket of this machine, and connect its clients to a destination.

        What listens in the folder of all commands stays as long as the master does.

        Raises:
            ControlFailed: The master has ended, or refuses.
        """
        if self.control is None:
            raise ControlFailed("the ssh master has ended")
        if path.parent != self.files.folder:
            await self.control.forward(path, destination)
            return
        with (self.files.folder / reaper.FORWARDS).open("a") as file:
            file.write(f"{path}:{destination}\n")
        await self.control.forward(path, destination)
        self._forwards[path] = destination

    async def leave(self) -> None:
        """Remove our processes, forwards and files; bounded. A master that is not kept ends."""
        if self._left:
            return
        self._left = True
        try:
            # Then the reaper, which would need processes of its own, has nothing to do.
            if await self._cleaned_up():
                shutil.rmtree(self.files.folder, ignore_errors=True)
            if self._first is not None:
                await self._first.end(prompting=self.control is None)
            await reaper.release(self._reaper)
        finally:
            if self.files.remove() and self.control is not None:
                await self.control.terminate()
            if self.control is not None:
                self.control.close()

    async def _cleaned_up(self) -> bool:
        """Do the reaper's work; false: the reaper has to."""
        if self.control is None:
            return False
        if not self.files.shared:
            await self.control.terminate()
            return not self.control.alive
        with suppress(ControlFailed):
            for path, destination in self._forwards.items():
                await self.control.cancel(path, destination)
            return True
        return not self.control.alive


async def attach(files: ConnectionFiles) -> Master | None:
    """Attach to a kept master; None: none listens.

    Raises:
        ControlFailed: It does not answer.
    """
    try:
        control = await Control.open(files.socket, seconds=_CHECK_SECONDS)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    try:
        log_start = files.log.stat().st_size if files.log.exists() else 0
        return Master(files, await reaper.start(files), None, control, log_start)
    except BaseException:
        control.close()
        raise


async def start(files: ConnectionFiles, server: Target, resolved: Resolved, *, interactive: bool) -> Master:
    """Start a master, which connects; it may ask on the terminal if `interactive`."""
    options = target.master(
        server, resolved, files.socket, interactive=interactive, persist=files.persist, log=files.log
    )
    command = shell(_IGNORING_SIGNALS, "sh", "ssh", *options, "--", server.address, facts.command())
    reaper_process = await reaper.start(files)
    try:
        # One that may ask has to be in the terminal's process group.
        group = None if interactive else reaper_process.pid
        first, log_start = await _first_command(files, command, group)
    except BaseException:
        await reaper.release(reaper_process)
        raise
    return Master(files, reaper_process, first, None, log_start)


async def _first_command(
    files: ConnectionFiles, command: Sequence[str], group: int | None
) -> tuple[_FirstCommand, int]:
    """Start the first command; also the size of the log before it.

    Its stderr is the log, too: older versions of ssh keep it open in the background, and a pipe would not end.
    """
    with files.log.open("ab") as log:
        log_start = log.tell()
        transport, capture = await spawn(
            partial(Capture, limit=LOGIN_BYTES), command, stdin=DEVNULL, stderr=log, group=group
        )
    return _FirstCommand(transport, capture), log_start
