"""Recorded builder output, and the Dockerfiles that it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl.image.building.docker_cli.progress import PlainProgress
from ftl.image.building.inputs.dockerfile import Dockerfile, parse

if TYPE_CHECKING:
    from ftl.events import Event

FOLDER = Path(__file__).parent / "recorded"


def dockerfile(name: str) -> Dockerfile:
    """Parse `recorded/Dockerfile.NAME`, with "Dockerfile" as its path."""
    return parse((FOLDER / f"Dockerfile.{name}").read_text())


def replay(recording: str, dockerfile_name: str) -> tuple[PlainProgress, list[Event]]:
    """Parse a recording; returns the progress and all events."""
    progress = PlainProgress("web", dockerfile(dockerfile_name))
    events: list[Event] = []
    for line in (FOLDER / f"{recording}.txt").read_bytes().decode().split("\n"):
        events += progress.feed(line)
    return progress, events
