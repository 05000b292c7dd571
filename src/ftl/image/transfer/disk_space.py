"""Errors for a disk that is too small for an image, with hints how to free space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import size
from ftl.errors import EngineError, TransferFailed

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.values import DiskUsage

LOAD_FACTOR = 2
"""The disk space that `docker load` needs for a while, in times of a layer's size.

Graph drivers unpack the archive first and install it from there, the containerd store keeps the blob beside the
unpacked files."""

_WORTH_FREEING = 1_000_000
"""Bytes below which freeing something does not help."""

_USAGE_SECONDS = 20.0
"""Time for the engine to compute its disk usage: it walks through everything that it stores."""

_DEFAULT_HINT = (
    "`docker system df` there shows Docker's disk usage, `docker image prune` removes unused images"
)


class NotEnoughSpace(TransferFailed):
    """The disk where the server's engine keeps its images is too small."""


class DiskFull(NotEnoughSpace):
    """The disk filled up while the image was loaded."""


def not_enough_space(server: str, needed: int, free: int) -> NotEnoughSpace:
    """The error for a disk that is found to be too small before it is full."""
    return NotEnoughSpace(
        f"{server} has too little disk space for the image",
        cause=f"at least {_megabytes(needed)} needed, {_megabytes(free)} free: "
        f"{_megabytes(needed - free)} missing",
        hint=_DEFAULT_HINT,
    )


def disk_full(server: str, cause: str) -> DiskFull:
    """The error for a disk that filled up; the cause is in the engine's words."""
    return DiskFull(not_loaded(server), cause=cause, hint=_DEFAULT_HINT)


def not_loaded(server: str) -> str:
    """The message of all errors for an archive that was not loaded."""
    return f"the image could not be loaded on {server}; nothing was tagged there"


def space_estimate(needed: int, free: int) -> str:
    """Message with the space that an image needed, and the space that was free before."""
    return (
        f"the image takes about {_megabytes(needed)} there while it is loaded, {_megabytes(free)} were free"
    )


async def reclaimable_space(engine: Engine, cached: int) -> str:
    """Hint how to free space on a server. Asked only once its disk is too small.

    The engine may fail to answer in time; `cached` is the size of FTL's cache there.
    """
    try:
        usage = await engine.usage(seconds=_USAGE_SECONDS)
    except EngineError:
        return _DEFAULT_HINT
    return reclaim_hint(usage, cached)


def reclaim_hint(usage: DiskUsage, cached: int) -> str:
    """Hint how to free space, by the engine's disk usage and the size of FTL's cache."""
    hints: list[str] = []
    if usage.unused_images >= _WORTH_FREEING:
        hints.append(
            f"`docker image prune --all` there frees about {size(usage.unused_images)}: images that no container "
            "uses, including those of earlier releases"
        )
    if usage.build_cache >= _WORTH_FREEING:
        hints.append(f"`docker builder prune` there frees about {size(usage.build_cache)}")
    if cached >= _WORTH_FREEING:
        hints.append(f"FTL keeps {size(cached)} of layers there in ~/.cache/ftl/layers, which may be removed")
    return "; ".join(hints) or "everything that Docker holds there is in use: the disk is too small"


def _megabytes(count: int) -> str:
    return f"{-(-count // 1_000_000)} MB"
