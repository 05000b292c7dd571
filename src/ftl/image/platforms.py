"""Platforms of servers, remembered for builds that do not connect to the server."""

from __future__ import annotations

from ftl.common.user_files import cache_file, read_json, write_json

_FILE = "platforms.json"
_ALIASES = {"x86_64": "amd64", "aarch64": "arm64", "arm64/v8": "arm64", "armv7l": "arm/v7", "arm": "arm/v7"}


def remember_platform(server: str, platform: str) -> None:
    """Remember the platform ("linux/arm64") of a server (its host in ftl.yaml)."""
    known = read_json(cache_file(_FILE))
    if known.get(server) != platform:
        write_json(cache_file(_FILE), {**known, server: platform})


def recall_platform(server: str) -> str | None:
    """Return the platform of a server when it was last asked; None if it never was."""
    platform = read_json(cache_file(_FILE)).get(server)
    return platform if isinstance(platform, str) else None


def same_platform(first: str, second: str) -> bool:
    """Whether two platforms are the same in any spelling ("linux/arm64", "linux/arm64/v8")."""
    return _normalized(first) == _normalized(second)


def _normalized(platform: str) -> str:
    system, _, machine = platform.lower().partition("/")
    return f"{system}/{_ALIASES.get(machine, machine)}"
