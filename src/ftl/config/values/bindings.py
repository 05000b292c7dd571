"""Volumes and forwards: texts that bind a path or a port of the server to a container."""

from __future__ import annotations

import re
from typing import Literal

from ftl.config.values.scalars import InvalidValue, port, volume_name
from ftl.dataclass import dataclass

_VOLUME_HINT = "write NAME:/path/in/the/container, or /path/on/the/server:/path/in/the/container"
_FORWARD_HINT = "write HOST_PORT:CONTAINER_PORT, optionally with ADDRESS: before it or /udp behind it"
_ADDRESS = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-fA-F:]+\]"
_FORWARD = rf"(?:({_ADDRESS}):)?([0-9]+):([0-9]+)(?:/(tcp|udp))?"


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """A named volume, or a path of the server, mounted at `target` in the container."""

    source: str
    target: str
    read_only: bool = False

    @property
    def is_named(self) -> bool:
        """Whether the source is a named volume, not a path of the server."""
        return not self.source.startswith("/")


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of the server published straight to the container, without the proxy.

    Attributes:
        address: Address of the server to listen on; empty for all.
    """

    host_port: int
    container_port: int
    address: str = ""
    protocol: Literal["tcp", "udp"] = "tcp"

    def collides(self, other: Forward) -> bool:
        """Whether the two cannot listen at the same time."""
        same_port = (self.host_port, self.protocol) == (other.host_port, other.protocol)
        return same_port and (self.address == other.address or self._is_wildcard or other._is_wildcard)

    @property
    def _is_wildcard(self) -> bool:
        return self.address in ("", "0.0.0.0", "[::]")  # noqa: S104 -- compared with, not listened on


def parse_volume(text: str) -> VolumeMount:
    """Parse `name:/target` or `/path/on/server:/target`, optionally followed by `:ro` or `:rw`.

    Raises:
        InvalidValue: The text has another form.
    """
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target:
        raise InvalidValue("is not a volume", _VOLUME_HINT)
    if not source.startswith("/"):
        if source.startswith((".", "~")) or "/" in source:
            raise InvalidValue(
                "does not begin with a volume name or an absolute path of the server",
                _VOLUME_HINT if source.startswith("~") else _files_hint(source, target),
            )
        volume_name(source)
    if not target.startswith("/") or not target.strip("/"):
        raise InvalidValue("does not end in an absolute path in the container", _VOLUME_HINT)
    if mode not in ("", "ro", "rw"):
        raise InvalidValue(f"has the option `{mode}`; only ro and rw are supported")
    return VolumeMount(source, target, mode == "ro")


def _files_hint(source: str, target: str) -> str:
    return (
        f"the server has no files of the repository: write `files: {{{target}: {source.removeprefix('./')}}}` "
        f"for texts, a volume for data: NAME:{target}"
    )


def parse_forward(text: str) -> Forward:
    """Parse `[address:]host_port:container_port[/udp]`.

    Raises:
        InvalidValue: The text has another form.
    """
    match = re.fullmatch(_FORWARD, text)
    if match is None:
        hint = f"write {text}:{text}" if re.fullmatch(r"[0-9]+", text) else _FORWARD_HINT
        raise InvalidValue("is not a forward", "write one forward for each port" if "-" in text else hint)
    address, host_port, container_port, protocol = match.groups()
    try:
        ports = port(host_port), port(container_port)
    except InvalidValue as error:
        raise InvalidValue(f"contains a number that {error.message}") from None
    return Forward(*ports, address or "", "udp" if protocol == "udp" else "tcp")
