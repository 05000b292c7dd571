"""Ports of Compose in the short and the long form."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.takeover.nodes import entries, items, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.config.yaml.tree import Node

_PORT = re.compile(
    r"(?:(?:(\[[0-9a-fA-F:]+\]|[0-9.]*):)?([0-9]+(?:-[0-9]+)?)?:)?([0-9]+(?:-[0-9]+)?)(?:/(tcp|udp|sctp))?"
)
_MOST_OF_A_RANGE = 100


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a container.

    Attributes:
        published: None where the engine chooses the server's port.
        place: Where it is written, below the key: "[0]", and the port in a range: "[0]: 8001".
    """

    target: int
    published: int | None = None
    address: str = ""
    protocol: str = "tcp"
    place: str = ""
    item: Node | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only the machine itself reaches it."""
        return self.address.startswith("127.") or self.address == "[::1]"

    @property
    def forward(self) -> str:
        """The port as an item of `forwards`."""
        address = f"{self.address}:" if self.address and self.address not in ("0.0.0.0", "[::]") else ""  # noqa: S104
        suffix = f"/{self.protocol}" if self.protocol != "tcp" else ""
        return f"{address}{self.published}:{self.target}{suffix}"


def parse_ports(node: Node | None, resolve: Callable[[str], str]) -> tuple[list[Port], dict[str, str]]:
    """Ports in both forms, and by their places the texts of those that cannot be read.

    Where a variable that is empty names the server's port, it is that of the container.
    """
    parsed: list[Port] = []
    unread: dict[str, str] = {}
    for index, item in enumerate(items(node)):
        long = entries(item)
        if long:
            target, published = resolve(text(long.get("target"))), resolve(text(long.get("published")))
            source = f"{published}:{target}" if published or text(long.get("published")) else target
            address, protocol = resolve(text(long.get("host_ip"))), text(long.get("protocol")) or "tcp"
            address = f"[{address}]" if ":" in address and not address.startswith("[") else address
        else:
            source, address, protocol = resolve(text(item)), "", ""
        if source.startswith(":") and ":" not in source[1:]:
            source = f"{source[1:].partition('/')[0]}{source}"
        short = list(_short(source, address, protocol))
        parsed += [
            replace(port, place=f"[{index}]" if len(short) == 1 else f"[{index}]: {port.target}", item=item)
            for port in short
        ]
        if not short:
            unread[f"[{index}]"] = text(item) or source
    return parsed, unread


def _short(source: str, address: str, protocol: str) -> Iterator[Port]:
    match = _PORT.fullmatch(source.strip())
    if match is None:
        return
    host, published, target, kind = match.groups()
    targets, hosts = _range(target), _range(published or "")
    if len(hosts) == 1:
        hosts = [hosts[0] + number for number in range(len(targets))]
    for number, port in enumerate(targets):
        if 0 < port < 65536:
            host_port = hosts[number] if number < len(hosts) else None
            yield Port(port, host_port, address or host or "", protocol or kind or "tcp")


def _range(written: str) -> list[int]:
    first, _, last = written.partition("-")
    if not first:
        return []
    return list(range(int(first), min(int(last or first), int(first) + _MOST_OF_A_RANGE) + 1))
