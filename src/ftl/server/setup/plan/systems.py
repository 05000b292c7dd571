"""Which systems `ftl setup` knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Collection

    from ftl.server.setup.observe.state import OperatingSystem

SUPPORTED = {"debian": ("Debian", (11,), (13,)), "ubuntu": ("Ubuntu", (20, 4), (24, 4))}
"""ID in /etc/os-release -> its name, the oldest and the newest version."""

ARCHITECTURES = ("amd64", "arm64")

# Debian 13 made Docker's command a package of its own (docker.io 26.1); Ubuntu keeps both in one.
_SPLIT_FROM = 13

_BY_HAND = (
    "by hand: install Docker 20.10 or newer, `usermod -aG docker {user}`, open 80 and 443; then `ftl deploy`"
)


def refuse_unknown(system: OperatingSystem, *, name: str, user: str) -> None:
    """Let only systems through whose packages and habits are known.

    Raises:
        FtlError: It is another one, with what to do by hand.
    """
    if not _is_known(system):
        spans = (f"{title} {_dotted(first)} to {_dotted(last)}" for title, first, last in SUPPORTED.values())
        raise FtlError(
            f"{name} runs {system.name}, which `ftl setup` does not know",
            cause=f"it knows {' and '.join(spans)}",
            hint=_BY_HAND.format(user=user),
        )
    if system.architecture not in ARCHITECTURES:
        raise FtlError(
            f"{name} is a machine of the kind {system.architecture}, which `ftl setup` does not know",
            cause=f"it knows {' and '.join(ARCHITECTURES)}",
            hint=_BY_HAND.format(user=user),
        )


def docker_packages(system: OperatingSystem) -> tuple[str, ...]:
    """The distribution's own packages of the engine and its command."""
    if system.id == "debian" and _version(system.version) >= (_SPLIT_FROM,):
        return ("docker.io", "docker-cli")
    return ("docker.io",)


def command_packages(system: OperatingSystem, there: Collection[str]) -> tuple[str, ...]:
    """What brings the docker command to an engine that came without it, as far as packages brought the engine."""
    if "docker-ce" in there:
        return ("docker-ce-cli",)
    return docker_packages(system)[1:] if "docker.io" in there else ()


def _is_known(system: OperatingSystem) -> bool:
    if system.id not in SUPPORTED:
        return False
    _, first, last = SUPPORTED[system.id]
    return first <= _version(system.version)[: len(first)] <= last


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _dotted(version: tuple[int, ...]) -> str:
    first, *rest = version
    return ".".join([str(first), *(f"{part:02}" for part in rest)])
