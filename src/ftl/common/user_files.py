"""Small JSON files in the user's cache and state folders: private, atomic, optional."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path, user_state_path

from ftl.common.files import read_small_file
from ftl.common.json_fields import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping


MAX_BYTES = 64_000_000
"""Limit of a file: that of a large build has some megabytes."""


def cache_file(name: str) -> Path:
    """Return the path of a file for data that can be determined again."""
    return user_cache_path("ftl", appauthor=False) / name


def state_file(name: str) -> Path:
    """Return the path of a file for data about earlier runs."""
    return user_state_path("ftl", appauthor=False) / name


def read_json(path: Path) -> dict[str, object]:
    """Read the object in a file; empty if there is none, or none that can be read."""
    try:
        value = parse_json(read_small_file(path, MAX_BYTES))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write an object to a file atomically. A file that cannot be written is ignored."""
    import tempfile  # 5 ms, which a key press of completion need not wait for: it only reads

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
