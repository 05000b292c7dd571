"""Small JSON files in the user's cache and state folders: private, atomic, optional."""

from __future__ import annotations

import os
import sys

from ftl.common.files import read_small_file
from ftl.common.json_fields import parse_json

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


MAX_BYTES = 64_000_000
"""Limit of a file: that of a large build has some megabytes."""


def cache_file(name: str) -> Path:
    """Return the path of a file for data that can be determined again."""
    from platformdirs import user_cache_path

    return user_cache_path("ftl", appauthor=False) / name


def state_file(name: str) -> Path:
    """Return the path of a file for data about earlier runs."""
    from pathlib import Path

    return Path(state_path(name))


def state_path(name: str) -> str:
    """The path of `state_file` as a text: a key press of completion does not wait for pathlib."""
    given = os.environ.get("XDG_STATE_HOME") or os.path.join(os.environ.get("HOME", ""), ".local/state")  # noqa: PTH118
    if sys.platform == "linux" and os.path.isabs(given):  # noqa: PTH117
        return os.path.join(given, "ftl", name)  # noqa: PTH118 -- platformdirs says the same, and imports tempfile
    from platformdirs import user_state_dir

    return os.path.join(user_state_dir("ftl", appauthor=False), name)  # noqa: PTH118


def read_json(path: Path | str) -> dict[str, object]:
    """Read the object in a file; empty if there is none, or none that can be read."""
    try:
        value = parse_json(read_small_file(path, MAX_BYTES))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write an object to a file atomically. A file that cannot be written is ignored."""
    import json
    import tempfile  # 5 ms, which a key press of completion need not wait for: it only reads
    from contextlib import suppress
    from pathlib import Path

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
