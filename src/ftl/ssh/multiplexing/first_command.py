"""The first command of a connection, which prints the server's facts: started now, or ahead."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from ftl.child import terminate
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.spawn import Capture
    from ftl.ssh.multiplexing.head_start import HeadStart

LOGIN_BYTES = 1 << 20
"""Limit of a login's output before the server's facts, on each stream."""

_POLL_SECONDS = 0.005
"""Interval of looks at a process that asyncio does not know."""

_END_SECONDS = 1.0
"""Time for a process to end."""


class FirstCommand(Protocol):
    """The process that prints the facts: a new master's, or one that goes through a kept one."""

    @property
    def status(self) -> int | None:
        """Its exit status; None: it still runs, as far as is known."""
        ...

    @property
    def output(self) -> bytes:
        """Its output so far."""
        ...

    async def news(self) -> bool:
        """Wait for more output; false if there will be none."""
        ...

    async def ended(self) -> float:
        """Wait for its end; the time of it, by the loop's clock."""
        ...

    async def end(self, *, prompting: bool) -> None:
        """End it; one that may be asking for a passphrase is given the time to restore the terminal."""
        ...


@dataclass(frozen=True, slots=True)
class Spawned:
    """One that was started now."""

    transport: asyncio.SubprocessTransport
    capture: Capture

    @property
    def status(self) -> int | None:
        """Its exit status; None: it still runs, as far as is known."""
        return self.transport.get_returncode()

    @property
    def output(self) -> bytes:
        """Its output so far."""
        return bytes(self.capture.stdout)

    async def news(self) -> bool:
        """Wait for more output; false if there will be none."""
        return await self.capture.news()

    async def ended(self) -> float:
        """Wait for its end; the time of it, by the loop's clock."""
        return await asyncio.shield(self.capture.exited)

    async def end(self, *, prompting: bool) -> None:
        """End it; see `FirstCommand`."""
        if prompting and self.status is None:
            await terminate(self.transport, self.capture)
        self.transport.close()  # kills it if it still runs
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self.capture.ended()


class StartedAhead:
    """One that was started before asyncio was imported, which knows nothing of it."""

    def __init__(self, head: HeadStart) -> None:
        self._head = head
        self._pipe = head.output
        self._output = bytearray()
        os.set_blocking(self._pipe, False)

    @property
    def status(self) -> int | None:
        """Its exit status; None: it still runs."""
        return self._head.status

    @property
    def output(self) -> bytes:
        """Its output so far."""
        with suppress(BlockingIOError):
            while len(self._output) < LOGIN_BYTES and (more := os.read(self._pipe, LOGIN_BYTES)):
                self._output += more
        return bytes(self._output)

    async def news(self) -> bool:
        """Wait for more output; false if there will be none."""
        await asyncio.sleep(_POLL_SECONDS)
        return self.status is None

    async def ended(self) -> float:
        """Wait for its end; the time of it, by the loop's clock."""
        while self.status is None:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return asyncio.get_running_loop().time()

    async def end(self, *, prompting: bool) -> None:
        """End it; see `FirstCommand`."""
        for number in (signal.SIGTERM, signal.SIGKILL)[0 if prompting else 1 :]:
            if self.status is None:
                with suppress(TimeoutError):
                    self._head.signal(number)
                    async with asyncio.timeout(_END_SECONDS):
                        await self.ended()
        os.close(self._pipe)
