"""What builders really printed, and the Dockerfiles that they printed it about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl.image.building.classic import ClassicProgress
from ftl.image.building.dockerfile import Dockerfile, parse
from ftl.image.building.progress import PlainProgress

if TYPE_CHECKING:
    from ftl.events import Event
    from ftl.image.building.progress import Progress

FOLDER = Path(__file__).parent / "recorded"


def dockerfile(name: str) -> Dockerfile:
    """`recorded/Dockerfile.NAME`, shown as "Dockerfile"."""
    return parse((FOLDER / f"Dockerfile.{name}").read_text())


def replay(recording: str, about: str, *, failed: bool = False) -> tuple[Progress, list[Event]]:
    """Feed a recording to the reader that it is for."""
    source = dockerfile(about)
    ticks = iter(range(10_000))
    progress: Progress = (
        ClassicProgress("web", source, clock=lambda: float(next(ticks)))
        if recording.startswith("classic")
        else PlainProgress("web", source)
    )
    events: list[Event] = []
    for line in (FOLDER / f"{recording}.txt").read_bytes().decode().split("\n"):
        events += progress.feed(line)
    events += progress.close(failed=failed)
    return progress, events
