"""Children that were started without an event loop, in the loop: what asyncio's own `Process` offers of it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.child import READ_LIMIT

if TYPE_CHECKING:
    from subprocess import Popen
    from typing import IO


class Adopted:
    """A child with pipes, whose outputs are read by the loop from now on.

    Args:
        child: It. Its stdin is left alone until `close`.
    """

    def __init__(self, child: Popen[bytes]) -> None:
        self._child = child
        self._transports: list[asyncio.ReadTransport] = []
        self._end: asyncio.Future[int] | None = None

    async def read(self, pipe: IO[bytes] | None) -> asyncio.StreamReader:
        """One of its outputs."""
        reader = asyncio.StreamReader(limit=READ_LIMIT)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        self._transports.append(transport)
        return reader

    @property
    def returncode(self) -> int | None:
        """How it ended; None: it still runs, as far as is known."""
        return self._child.poll()

    def terminate(self) -> None:
        """Ask it to end."""
        self._child.terminate()

    def kill(self) -> None:
        """End it."""
        self._child.kill()

    async def wait(self) -> int:
        """How it ended, when it has."""
        if (status := self.returncode) is not None:
            return status
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
            threading.Thread(target=self._watch, args=(self._end,), name="child", daemon=True).start()
        return await asyncio.shield(self._end)

    def _watch(self, end: asyncio.Future[int]) -> None:
        """Wait in a thread of its own: those of the loop's pool may be at work, and are waited for at its end."""
        status = self._child.wait()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            end.get_loop().call_soon_threadsafe(_settle, end, status)

    def close(self) -> None:
        """Let its pipes go; it has ended."""
        for transport in self._transports:
            transport.close()
        if self._child.stdin is not None:
            self._child.stdin.close()


def _settle(end: asyncio.Future[int], status: int) -> None:
    if not end.done():
        end.set_result(status)
