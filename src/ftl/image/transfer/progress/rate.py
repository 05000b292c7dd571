"""How fast something goes lately, and how long it will still take."""

from __future__ import annotations

from collections import deque

WINDOW = 5.0
"""Seconds over which speed is measured: a link that slows down is seen to, and one breath does not matter."""


class Rate:
    """Samples of a count that grows."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def sample(self, now: float, done: int) -> None:
        """So much is done at this time, in seconds."""
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()

    @property
    def speed(self) -> float:
        """How much a second; 0 while that is not known."""
        if len(self._samples) < 2:
            return 0.0
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        return (after - before) / (end - start) if end > start else 0.0

    def left(self, total: int) -> float | None:
        """Seconds until that total is done at this speed; None while that is not known."""
        return max(0, total - self._samples[-1][1]) / self.speed if self.speed > 0 else None
