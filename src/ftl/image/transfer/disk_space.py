"""A disk that is too small for an image: how much is missing there, and what could be freed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import EngineError, TransferFailed
from ftl.figures import size

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.values import DiskUsage

LOAD_FACTOR = 2
"""`docker load` holds a layer twice for a while: graph drivers unpack the archive first and install it from
there, the containerd store keeps the blob beside the unpacked files."""

_WORTH_IT = 1_000_000
"""Bytes below which freeing something helps nobody."""

_ASKING = 20.0
"""Seconds for the engine to count what it holds: it walks through all of it."""

_LOOK = "`docker system df` there shows what Docker holds, `docker image prune` frees what nothing uses"


class NotEnoughSpace(TransferFailed):
    """The disk where the engine there keeps its images is too small."""


class DiskFull(NotEnoughSpace):
    """It was too small, and filled up."""


def not_enough_space(server: str, needed: int, free: int) -> NotEnoughSpace:
    """The error for a disk that is too small, found out before it is full."""
    return NotEnoughSpace(
        f"the disk of {server} has no room for the image",
        cause=f"it needs at least {_megabytes(needed)}, {_megabytes(free)} are free: "
        f"{_megabytes(needed - free)} are missing",
        hint=_LOOK,
    )


def disk_full(server: str, words: str) -> DiskFull:
    """The error for a disk that filled up, in the words of the engine there."""
    return DiskFull(
        f"the image could not be loaded on {server}; nothing was tagged there", cause=words, hint=_LOOK
    )


def space_estimate(needed: int, free: int) -> str:
    """What a disk that filled up lacked, as far as it was known before."""
    return (
        f"the image takes about {_megabytes(needed)} there while it is loaded, {_megabytes(free)} were free"
    )


async def reclaimable_space(engine: Engine, kept: int) -> str:
    """What could be freed, in words: asked only once there is no room, and as far as the engine can tell in time.

    Args:
        engine: The one there.
        kept: Bytes of layers that FTL keeps there beside the images.
    """
    try:
        usage = await engine.usage(seconds=_ASKING)
    except EngineError:
        return _LOOK
    return reclaim_hint(usage, kept)


def reclaim_hint(usage: DiskUsage, kept: int) -> str:
    """What could be freed, in words."""
    ways: list[str] = []
    if usage.unused_images >= _WORTH_IT:
        ways.append(
            f"`docker image prune --all` there frees about {size(usage.unused_images)}: images that no container "
            "uses, those of earlier releases too"
        )
    if usage.build_cache >= _WORTH_IT:
        ways.append(f"`docker builder prune` there frees about {size(usage.build_cache)}")
    if kept >= _WORTH_IT:
        ways.append(f"FTL keeps {size(kept)} of layers there in ~/.cache/ftl/layers, which may be removed")
    return "; ".join(ways) or "Docker there holds nothing that is not in use: the disk is too small"


def _megabytes(count: int) -> str:
    return f"{-(-count // 1_000_000)} MB"
