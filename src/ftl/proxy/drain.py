"""Letting old containers finish what they have begun."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.errors import FtlError
from ftl.events import Draining, Emit, ignore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

GRACE = 1.2
"""Seconds after a switch before a count of 0 is believed: a request may have read the live file just before the
switch and not be counted yet."""

_INTERVAL = 0.25
_QUIET = 2  # so many counts of 0 in a row


async def wait_drained(
    in_flight: Callable[[], Awaitable[Mapping[str, int]]],
    addresses: Iterable[str],
    timeout: float,  # not an error: what is left is the answer
    emit: Emit = ignore,
    *,
    service: str = "",
) -> dict[str, int]:
    """Wait until no request is in flight on containers that get no new ones; to be called right after the switch.

    Args:
        in_flight: Asks the proxy: `ProxyControl.in_flight`.
        addresses: The containers' addresses, with or without a port.
        timeout: After so many seconds it is over anyway.
        emit: Is told how many requests are left, whenever that changes.
        service: Whose containers they are, for those events.

    Returns:
        What was still in flight at the end, by address; empty when all is finished. A proxy that cannot be
        asked counts as busy.
    """
    hosts = {_host(address) for address in addresses}
    clock = asyncio.get_running_loop().time
    begun = clock()
    quiet, told = 0, -1
    left: dict[str, int] = {}
    while True:
        counted = await _count(in_flight, hosts)
        if counted is not None:
            left = counted
            open_now = sum(left.values())
            quiet = quiet + 1 if open_now == 0 else 0
            if open_now != told and (open_now or told > 0):
                emit(Draining(service, open_now))
            told = open_now
        passed = clock() - begun
        if (quiet >= _QUIET and passed >= min(GRACE, timeout)) or passed >= timeout:
            return left
        await asyncio.sleep(min(_INTERVAL, timeout - passed))


async def _count(
    in_flight: Callable[[], Awaitable[Mapping[str, int]]], hosts: set[str]
) -> dict[str, int] | None:
    try:
        counts = await in_flight()
    except FtlError:
        return None
    return {address: count for address, count in counts.items() if count and _host(address) in hosts}


def _host(address: str) -> str:
    host, colon, port = address.rpartition(":")
    return host.strip("[]") if colon and port.isdigit() and "::" not in address else address
