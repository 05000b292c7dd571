"""Small JSON files that FTL keeps on this machine: replaced whole, for their owner alone, never required."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path, user_state_path

if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_file(name: str) -> Path:
    """Where something is kept that can be found out again."""
    return user_cache_path("ftl", appauthor=False) / name


def state_file(name: str) -> Path:
    """Where something is kept about earlier runs."""
    return user_state_path("ftl", appauthor=False) / name


def read_json(path: Path) -> dict[str, object]:
    """The object in a file; empty where there is none, or none that can be read."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Put an object into a file in one step. A home that cannot be written to costs memory, not the work."""
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(value, file, separators=(",", ":"))
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
