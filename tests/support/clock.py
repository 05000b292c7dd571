"""Virtual time: `run` executes a coroutine in a loop that jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    """Like `asyncio.run`, but `asyncio.sleep`, `asyncio.timeout` and `loop.time()` take no real time.

    Sockets on this machine still work: time moves on only when none of them is ready. Child processes and threads
    do not, for the loop does not know that it should wait for them.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which starts at 0."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(_JumpingSelector(self._clock))

    def time(self) -> float:
        """Seconds since the loop was made, none of them real."""
        return self._clock.now


class _Clock:
    now = 0.0


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for a timer: moves the clock to it."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; with nothing ready, the time is now `timeout` later.

        Raises:
            AssertionError: The test waits for something that no timer and no socket will bring.
        """
        ready = super().select(0)
        if not ready and timeout is None:
            ready = super().select(5)
            assert ready, "the test waits for ever"
        elif not ready and timeout:
            self._clock.now += timeout
        return ready
