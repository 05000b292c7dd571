"""Ports that other machines may reach: those of programs, and those that containers publish."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from ftl.server.setup.ports import VPN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.common.proc_net import ListeningSocket
    from ftl.server.setup.ports import ServerPort

_DHCP_CLIENT = (68, 546)

# The kernel's range for UDP sockets of programs that only send requests (ip(7), ip_local_port_range).
_EPHEMERAL = range(32768, 61000)

# "0.0.0.0:8099->8000/tcp", "[::]:9000-9002->9000-9002/udp"; "5000/tcp" is published nowhere
_PUBLISHED = re.compile(r"(\S+):(\d+)(?:-(\d+))?->[\d-]+/(tcp|udp)")


def reachable_ports(sockets: Iterable[ListeningSocket], protocol: str) -> frozenset[ServerPort]:
    """The ports of sockets that listen for other machines, without those of UDP clients."""
    ports = ((socket.port, protocol) for socket in sockets if not socket.loopback)
    return frozenset(port for port in ports if not _is_client(port))


def published_ports(columns: Iterable[str]) -> frozenset[ServerPort]:
    """Ports that containers publish for other machines, from the column PORTS of `docker ps`."""
    return frozenset(
        (port, protocol)
        for column in columns
        for address, first, last, protocol in _PUBLISHED.findall(column)
        if not _is_loopback(address)
        for port in range(int(first), int(last or first) + 1)
    )


def _is_loopback(address: str) -> bool:
    """Whether an address is loopback; docker writes "::" as ":::PORT" or "[::]:PORT"."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_client(port: ServerPort) -> bool:
    number, protocol = port
    if protocol != "udp" or port in VPN:
        return False
    return number in _EPHEMERAL or number in _DHCP_CLIENT
