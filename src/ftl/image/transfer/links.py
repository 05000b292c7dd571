"""How fast the link to each server was: remembered, because a transfer must decide before its first byte."""

from __future__ import annotations

from ftl.image.files import cache_file, read_json, write_json

_FILE = "links.json"


def remember(server: str, speed: float | None) -> None:
    """Note a link's speed in bytes a second; None tells nothing."""
    if speed is not None:
        write_json(cache_file(_FILE), {**read_json(cache_file(_FILE)), server: round(speed)})


def recall(server: str) -> float | None:
    """The speed when bytes last went over it; None where none did."""
    speed = read_json(cache_file(_FILE)).get(server)
    return float(speed) if isinstance(speed, int) and speed > 0 else None
