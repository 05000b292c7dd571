"""Sizes as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def size_text(size: int) -> str:
    """Bytes in decimal units, as Docker shows them: "812 B", "4.2 kB", "128.3 MB"."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} GB"


def folders_text(folders: Sequence[tuple[str, int]], count: int = 3) -> str:
    """The largest folders with their sizes."""
    return ", ".join(f"{path} {size_text(size)}" for path, size in folders[:count])
