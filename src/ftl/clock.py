"""Clock: monotonic time and sleep, injected where code waits so that tests take no time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time in seconds, and sleep in that time."""

    def now(self) -> float:
        """Seconds since an arbitrary moment; never runs back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; 0 lets other tasks run once."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Seconds of time.monotonic, by which event loops count too."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep in the event loop."""
        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()
