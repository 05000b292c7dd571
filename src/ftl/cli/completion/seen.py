"""Releases and servers that commands on this machine have seen, for shell completion."""

from __future__ import annotations

from ftl.common.user_files import read_json, state_file, state_path, write_json

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "seen.json"
_KEPT = 50


def seen(key: str) -> list[str]:
    """Values of a key: `servers`, or `releases:PROJECT`; the newest first."""
    values = read_json(state_path(FILE)).get(key)
    return [str(value) for value in values] if isinstance(values, list) else []


def remember(project: str, server: str, releases: Sequence[str] = ()) -> None:
    """Keep a server, and a project's releases, newest first."""
    path = state_file(FILE)
    values = read_json(path)
    # A sandbox has another port each time; its name is completed without this.
    new = {
        "servers": [server] if server and server != "127.0.0.1" else [],
        f"releases:{project}": list(releases),
    }
    for key, names in new.items():
        before = values.get(key)
        kept = list(dict.fromkeys([*names, *(before if isinstance(before, list) else [])]))[:_KEPT]
        if kept and kept != before:
            values[key] = kept
    write_json(path, values)


def remember_previews(project: str, names: Sequence[str]) -> None:
    """Keep the previews of a project, in place of those that were seen before."""
    path = state_file(FILE)
    values = read_json(path)
    values[f"previews:{project}"] = list(names)[:_KEPT]
    write_json(path, values)
