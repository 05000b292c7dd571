"""Supported operating systems, and the names of their Docker packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Collection

    from ftl.server.setup.observe.state import OperatingSystem

SUPPORTED = {"debian": ("Debian", (11,), (13,)), "ubuntu": ("Ubuntu", (20, 4), (24, 4))}
"""ID in /etc/os-release -> name, oldest and newest version."""

ARCHITECTURES = ("amd64", "arm64")

# Debian 13 moved the docker command to a package of its own (docker.io 26.1); Ubuntu has both in one.
_SPLIT_FROM = 13

_BY_HAND = (
    "set it up by hand: install Docker 20.10 or newer, `usermod -aG docker {user}`, open ports 80 and 443"
)


def refuse_unsupported(system: OperatingSystem, *, name: str, user: str) -> None:
    """Refuse a system whose packages and defaults setup does not know.

    Raises:
        FtlError: The system is not supported; with the steps to do by hand.
    """
    if not _is_supported(system):
        spans = (f"{title} {_dotted(first)} to {_dotted(last)}" for title, first, last in SUPPORTED.values())
        raise FtlError(
            f"{name} runs {system.name}, which `ftl setup` does not support",
            cause=f"it supports {' and '.join(spans)}",
            hint=_BY_HAND.format(user=user),
        )
    if system.architecture not in ARCHITECTURES:
        raise FtlError(
            f"{name} is a machine of the architecture {system.architecture}, which `ftl setup` does not support",
            cause=f"it supports {' and '.join(ARCHITECTURES)}",
            hint=_BY_HAND.format(user=user),
        )


def docker_packages(system: OperatingSystem) -> tuple[str, ...]:
    """The distribution's packages of the engine and the docker command."""
    if system.id == "debian" and _version(system.version) >= (_SPLIT_FROM,):
        return ("docker.io", "docker-cli")
    return ("docker.io",)


def command_packages(system: OperatingSystem, installed: Collection[str]) -> tuple[str, ...]:
    """The packages of the docker command, for an engine that a package installed without it."""
    if "docker-ce" in installed:
        return ("docker-ce-cli",)
    return docker_packages(system)[1:] if "docker.io" in installed else ()


def _is_supported(system: OperatingSystem) -> bool:
    if system.id not in SUPPORTED:
        return False
    _, first, last = SUPPORTED[system.id]
    return first <= _version(system.version)[: len(first)] <= last


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _dotted(version: tuple[int, ...]) -> str:
    first, *rest = version
    return ".".join([str(first), *(f"{part:02}" for part in rest)])
