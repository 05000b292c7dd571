"""Memory that goes back to the system when a block of a layer is done with.

Compressing takes a few megabytes at a time, in several threads. glibc learns from large blocks that are freed to keep
the next ones of that size (its threshold for mmap grows up to 32 MB), in one heap for each thread: 110 MB at the peak
of a transfer instead of 85.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD in glibc's malloc.h; setting it also stops it from growing."""

_LARGE = 256 << 10


def return_freed_memory() -> None:
    """From now on, give large blocks back as soon as they are freed. Does nothing where there is no glibc."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
