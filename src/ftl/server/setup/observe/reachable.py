"""What of a server others may reach, as its kernel and its engine say: ports that programs and containers have."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.server.setup.ports import Port

TUNNELS: frozenset[Port] = frozenset({(1194, "udp"), (41641, "udp"), (51820, "udp")})
"""Where OpenVPN, Tailscale and WireGuard listen unless told otherwise."""

# /proc/net/*: addresses are hexadecimal, each group of 4 bytes in the machine's own order (proc(5)).
_LOOPBACK_V6 = ("00000000000000000000000001000000", "0000000000000000FFFF0000")
_DHCP_CLIENT = (68, 546)

# What the kernel gives to UDP sockets that only ask something (ip(7), ip_local_port_range).
_EPHEMERAL = range(32768, 61000)

# "0.0.0.0:8099->8000/tcp", "[::]:9000-9002->9000-9002/udp"; "5000/tcp" is published nowhere
_PUBLISHED = re.compile(r"(\S+):(\d+)(?:-(\d+))?->[\d-]+/(tcp|udp)")


def listening(lines: Iterable[str], tunnels: Iterable[Port] = ()) -> frozenset[Port]:
    """What listens for others than this machine, from /proc/net: "tcp6 ADDRESS:PORT", both hexadecimal.

    Args:
        lines: These.
        tunnels: More ports of VPNs.
    """
    found = set(tunnels)
    for line in lines:
        table, _, place = line.partition(" ")
        address, _, number = place.partition(":")
        port = int(number, 16), table.removesuffix("6")
        if not _is_loopback(address) and not _only_asks(port):
            found.add(port)
    return frozenset(found)


def published(shown: Iterable[str]) -> frozenset[Port]:
    """What containers publish for others than this machine, from `docker ps`'s column PORTS."""
    return frozenset(
        (port, protocol)
        for ports in shown
        for address, first, last, protocol in _PUBLISHED.findall(ports)
        if not _is_bound_inside(address)
        for port in range(int(first), int(last or first) + 1)
    )


def _is_bound_inside(address: str) -> bool:
    """Whether it is loopback; docker writes "::" as ":::PORT" or "[::]:PORT"."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _only_asks(port: Port) -> bool:
    number, protocol = port
    if protocol != "udp" or port in TUNNELS:
        return False
    return number in _EPHEMERAL or number in _DHCP_CLIENT


def _is_loopback(address: str) -> bool:
    if len(address) == 8:
        return address.endswith("7F")
    whole, mapped = _LOOPBACK_V6
    return address == whole or (address.startswith(mapped) and address.endswith("7F"))
