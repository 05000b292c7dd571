"""Speed of the link to each server: measured while bytes are sent, and remembered.

A transfer must decide what to send as a delta, and how hard to compress, before its first byte.
"""

from __future__ import annotations

from ftl.common.json_fields import as_object
from ftl.common.user_files import cache_file, read_json, write_json

EASY_LEVEL, HARD_LEVEL = 3, 8
"""The zstd levels between which the link's speed decides; see `delivery/frames.py`."""

_FILE = "links.json"

_OTHER_LINK_FACTOR = 2.0
_OTHER_LINK_SECONDS = 0.01
"""A round trip that is longer by both this factor and these seconds means another link."""

_SLOW = 16e6
"""Bytes a second below which a link waits longer for bytes than two cores take for the next level."""


class LinkSpeed:
    """Speed of the running transfer, and the compression level that it leaves time for.

    `speed` is the link's in bytes a second, where it is known from an earlier transfer.

    Attributes:
        level: The zstd level for the next block.
        measured: Bytes a second as the server measured them; None where it did not.
    """

    def __init__(self, speed: float | None = None) -> None:
        self.level = HARD_LEVEL if speed is not None and speed < _SLOW else EASY_LEVEL
        self.measured: float | None = None
        self._bytes = 0
        self._seconds = 0.0

    def record(self, count: int, seconds: float) -> None:
        """Take note of bytes that were written; a buffer may have taken them at once."""
        self._bytes += count
        self._seconds += seconds
        slow = count < _SLOW * seconds
        self.level = min(HARD_LEVEL, self.level + 1) if slow else max(EASY_LEVEL, self.level - 1)

    def speed(self, minimum: int) -> float | None:
        """Bytes a second; None before that many bytes, the first of which only fill buffers.

        Both what was measured here and what the server measured are lower bounds: an engine that reads more slowly than
        the link sends holds up the sender (the containerd store takes 12 to 16 MB/s of an archive), and a busy server
        measures its own processes.
        """
        is_enough = self._bytes >= minimum and self._seconds > 0
        known = [self._bytes / self._seconds] if is_enough else []
        return max([*known, *([self.measured] if self.measured is not None else [])], default=None)


def remember_speed(server: str, speed: float | None, round_trip: float) -> None:
    """Save a link's speed in bytes a second, and its round trip in seconds; None is not saved."""
    if speed is not None:
        link = {"speed": round(speed), "round_trip": round(round_trip, 4)}
        write_json(cache_file(_FILE), {**read_json(cache_file(_FILE)), server: link})


def recall_speed(server: str, round_trip: float) -> float | None:
    """The speed at the last transfer; None where that went over a shorter link, or never.

    A laptop that was next to its server yesterday may be on a train today.
    """
    link = _recall(server, round_trip)
    return link[0] if link is not None else None


def shortest_round_trip(server: str, round_trip: float) -> float:
    """The shortest round trip seen over this link, in seconds.

    On a busy machine any may take several times as long.
    """
    link = _recall(server, round_trip)
    return min(round_trip, link[1]) if link is not None else round_trip


def _recall(server: str, round_trip: float) -> tuple[float, float] | None:
    """The speed and round trip that were saved for this link."""
    link = as_object(read_json(cache_file(_FILE)).get(server))
    speed, last_round_trip = link.get("speed"), link.get("round_trip")
    if not isinstance(speed, int) or speed <= 0 or not isinstance(last_round_trip, int | float):
        return None
    is_same_link = round_trip <= last_round_trip * _OTHER_LINK_FACTOR + _OTHER_LINK_SECONDS
    return (float(speed), float(last_round_trip)) if is_same_link else None
