"""Draining: waiting until old containers have finished their requests in flight."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.errors import FtlError
from ftl.events import Draining, Emit, Note, ignore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

SETTLE_SECONDS = 0.6
"""Seconds after a switch before a count of 0 is believed.

A request may have read the live file just before the switch and not be counted yet. Over 40 switches under 24 clients,
on 2 cores with a load of 15, the last such request reached the old container 0.06 s after its switch. Over 60 with a
load of 35 an app there read one more than 0.1 s after at least 12 of them, the last after 0.72 s: less time would not
do. One that comes too late all the same is refused there, and the proxy's next attempt reads the live file again.
"""

EXPLAIN_SECONDS = 5.0
"""Seconds after which a wait is explained.

Nearly all requests have ended by then, and what stays open is a stream.
"""

_INTERVAL = 0.2
_ZEROS_IN_A_ROW = 2


async def wait_drained(
    in_flight: Callable[[], Awaitable[Mapping[str, int]]],
    addresses: Iterable[str],
    timeout: float,  # reaching it is no error: the open requests are the result
    emit: Emit = ignore,
    *,
    service: str = "",
    switched_ago: float = 0.0,
) -> dict[str, int]:
    """Wait until containers that get no new requests have finished theirs.

    `in_flight` asks the proxy; `addresses` have a port or none; `emit` receives the number of open requests of
    `service` whenever it changes; `switched_ago` are the seconds since the switch.

    Returns:
        Requests still in flight at the end, by address; empty when all have finished, and where the proxy never
        said. One that does not answer is waited for as if it were busy.
    """
    hosts = {_host(address) for address in addresses}
    clock = asyncio.get_running_loop().time
    start = clock()
    believed_from = min(SETTLE_SECONDS - switched_ago, timeout)
    zeros, reported, explained = 0, -1, False
    remaining: dict[str, int] = {}
    while True:
        asked = clock() - start
        counts = await _count(in_flight, hosts)
        if counts is not None:
            remaining = counts
            total = sum(remaining.values())
            zeros = zeros + 1 if total == 0 else 0
            if total != reported and (total or reported > 0):
                emit(Draining(service, total))
            reported = total
        elapsed = clock() - start
        still_open = sum(remaining.values())
        if still_open and not explained and EXPLAIN_SECONDS <= elapsed < timeout:
            explained = True
            emit(_explanation(service, still_open, timeout))
        if (zeros >= _ZEROS_IN_A_ROW and asked >= believed_from) or elapsed >= timeout:
            return remaining
        await asyncio.sleep(min(_pause(believed_from - elapsed, idle=zeros > 0), timeout - elapsed))


def _pause(until: float, *, idle: bool) -> float:
    """Seconds until the next count; one falls on the moment from which zeros are believed, after `until` seconds.

    Where nothing was open just now (`idle`), a count before that moment would tell nothing.
    """
    if until <= 0:
        return _INTERVAL
    until += 0.001  # a timer may be early by the clock's resolution
    return until if idle else min(_INTERVAL, until)


def _explanation(service: str, open_requests: int, timeout: float) -> Note:
    requests = "1 request is" if open_requests == 1 else f"{open_requests} requests are"
    return Note(
        f"{service}: {requests} still open on the old containers (WebSockets or event streams, for example); "
        f"they end after {timeout:g} s at most",
        hint=f"`drain_timeout` of {service} in ftl.yaml shortens this; clients reconnect to the new release",
    )


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
