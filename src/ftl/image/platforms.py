"""Which platform each server has: asked once by whoever speaks to it, remembered for builds without one."""

from __future__ import annotations

from ftl.image.json_files import cache_file, read_json, write_json

_FILE = "platforms.json"
_ALIASES = {"x86_64": "amd64", "aarch64": "arm64", "arm64/v8": "arm64", "armv7l": "arm/v7", "arm": "arm/v7"}


def remember_platform(server: str, platform: str) -> None:
    """Note that `server` (as ftl.yaml names it) has `platform` ("linux/arm64")."""
    known = read_json(cache_file(_FILE))
    if known.get(server) != platform:
        write_json(cache_file(_FILE), {**known, server: platform})


def recall_platform(server: str) -> str | None:
    """The platform that `server` had when it was last asked; None where it never was."""
    platform = read_json(cache_file(_FILE)).get(server)
    return platform if isinstance(platform, str) else None


def same_platform(one: str, other: str) -> bool:
    """Whether two platforms are one, whatever their spelling ("linux/arm64" and "linux/arm64/v8")."""
    return _normal(one) == _normal(other)


def _normal(platform: str) -> str:
    system, _, machine = platform.lower().partition("/")
    return f"{system}/{_ALIASES.get(machine, machine)}"
