"""How fast the link to each server was: remembered, because a transfer must decide before its first byte."""

from __future__ import annotations

from ftl.image.json_files import cache_file, read_json, write_json
from ftl.json_fields import as_object

_FILE = "links.json"

_LONGER = 2.0
_JITTER = 0.01
"""A round trip that is so many times as long, and so many seconds longer, goes over another link."""


def remember_speed(server: str, speed: float | None, round_trip: float) -> None:
    """Note a link's speed in bytes a second, and its round trip in seconds; a speed of None tells nothing."""
    if speed is not None:
        link = {"speed": round(speed), "round_trip": round(round_trip, 4)}
        write_json(cache_file(_FILE), {**read_json(cache_file(_FILE)), server: link})


def recall_speed(server: str, round_trip: float) -> float | None:
    """The speed when bytes last went over it; None where none did, or over a link that was nearer than this one.

    A laptop that was next to its server yesterday is not taken for that in a train.
    """
    link = as_object(read_json(cache_file(_FILE)).get(server))
    speed, then = link.get("speed"), link.get("round_trip")
    if not isinstance(speed, int) or speed <= 0 or not isinstance(then, int | float):
        return None
    return float(speed) if round_trip <= then * _LONGER + _JITTER else None
