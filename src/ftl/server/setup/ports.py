"""Ports with their protocol: the type, well-known ones, and text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ServerPort = tuple[int, str]
"""A port of a server and its protocol, "tcp" or "udp"."""

WEB: tuple[ServerPort, ...] = ((80, "tcp"), (443, "tcp"), (443, "udp"))

SWARM: tuple[ServerPort, ...] = ((2377, "tcp"), (7946, "tcp"), (7946, "udp"), (4789, "udp"))
"""Ports between a swarm's nodes.

See docs.docker.com/engine/swarm/swarm-tutorial, "Open protocols".
"""

VPN: frozenset[ServerPort] = frozenset({(1194, "udp"), (41641, "udp"), (51820, "udp")})
"""The default ports of OpenVPN, Tailscale and WireGuard."""

# At least this many consecutive ports are shown as a range.
_SHORTEST_RANGE = 3


def format_ports(ports: Iterable[ServerPort]) -> str:
    """Ports for people: "22, 80, 443 (tcp), 443, 10000-10100 (udp)"."""
    listed = tuple(ports)
    kinds = {protocol: [number for number, kind in listed if kind == protocol] for protocol in ("tcp", "udp")}
    return ", ".join(f"{', '.join(_ranges(numbers))} ({kind})" for kind, numbers in kinds.items() if numbers)


def _ranges(numbers: list[int]) -> list[str]:
    """Numbers as text, consecutive ones as ranges."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts: list[str] = []
    for run in runs:
        texts += [f"{run[0]}-{run[-1]}"] if len(run) >= _SHORTEST_RANGE else map(str, run)
    return texts
