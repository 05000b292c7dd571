"""Files of a build's context in its image, by the COPY lines of the Dockerfile."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ftl.image.building.diagnosis.cache_miss import context_sources

if TYPE_CHECKING:
    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction


def has_copied(dockerfile: Dockerfile, target: str | None, folder: str, path: str) -> bool | None:
    """Whether an image has a folder of its context at a path; None if the lines do not tell.

    `folder` is relative to the context, and `.` is all of it.
    """
    if not dockerfile.stages:
        return None
    workdir: str | None = None
    unclear = False
    for step in dockerfile.image_instructions(target):
        if step.keyword == "WORKDIR":
            workdir = posixpath.join(workdir or "", step.arguments.strip("\"'"))
        if step.keyword not in ("COPY", "ADD"):
            continue
        to = posixpath.join(workdir or "", _destination(step))
        if "$" in to or not to.startswith("/"):
            return None  # by a variable, or below the folder of an image that is not here
        for source in context_sources(step):
            place = _place(source, folder, posixpath.normpath(to))
            if place == path:
                return True
            unclear |= place is None
        is_elsewhere = any(flag.startswith("--from=") for flag in step.flags)
        unclear |= is_elsewhere and _overlap(posixpath.normpath(to), path)  # as another stage has it
    return None if unclear else False


def _destination(step: Instruction) -> str:
    words = step.arguments.split()
    return words[-1].strip('"]') if words else ""


def _place(source: str, folder: str, to: str) -> str | None:
    """Path to which a COPY brings a folder: empty for none, None for a part of it or a pattern."""
    source = posixpath.normpath(source.strip("/") or ".")
    if any(letter in source for letter in "*?[$"):
        return None
    if source in (".", folder):
        return posixpath.normpath(posixpath.join(to, "." if source == folder else folder))
    if folder.startswith(f"{source}/"):
        return posixpath.join(to, folder.removeprefix(f"{source}/"))
    return None if folder == "." or source.startswith(f"{folder}/") else ""


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/") or "/" in (one, other)
