"""Ports with their protocol: the type, well-known ones, and how they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Port = tuple[int, str]
"""A port and its protocol, "tcp" or "udp"."""

WEB: tuple[Port, ...] = ((80, "tcp"), (443, "tcp"), (443, "udp"))

SWARM: tuple[Port, ...] = ((2377, "tcp"), (7946, "tcp"), (7946, "udp"), (4789, "udp"))
"""What the engines of a swarm say to each other (docs.docker.com/engine/swarm/swarm-tutorial, "Open protocols")."""

# So many ports in a row are shown as a range.
_RUN = 3


def format_ports(ports: Iterable[Port]) -> str:
    """Ports for people: "22, 80, 443 (tcp), 443, 10000-10100 (udp)"."""
    given = tuple(ports)
    kinds = {protocol: [port for port, kind in given if kind == protocol] for protocol in ("tcp", "udp")}
    return ", ".join(f"{', '.join(_ranges(numbers))} ({kind})" for kind, numbers in kinds.items() if numbers)


def _ranges(numbers: list[int]) -> list[str]:
    """Numbers that follow each other, together."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [
        text
        for run in runs
        for text in ([f"{run[0]}-{run[-1]}"] if len(run) >= _RUN else [str(number) for number in run])
    ]
