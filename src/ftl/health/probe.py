"""One question to a container over the network, and its answer in words."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ftl.ssh.streams import open_stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import ClientResponse

    from ftl.ssh.machine import Machine

REFUSED = "connection refused"

NO_HTTP = "what it answers is not HTTP"

_GONE = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE)
"""How a port that nobody listens on looks at the near end of a forward."""

SHOWN = 200
"""So many characters of an answer's body are kept for the user."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back.

    Attributes:
        text: "200", "301 to https://...", "connection refused", "no answer within 5 s".
        body: The beginning of an answer that was not 2xx.
        final: Asking again will not help.
    """

    ok: bool
    text: str
    status: int | None = None
    body: str = ""
    final: bool = False


async def probe_http(
    machine: Machine, address: str, port: int, *, path: str, host: str, https: bool, timeout: float
) -> Outcome:
    """GET a path of the container as the proxy would; redirects are answers, not followed."""
    import aiohttp

    from ftl.engine import connector

    headers = {"Host": host, "User-Agent": "ftl-health", "X-Forwarded-Host": host}
    if https:
        headers["X-Forwarded-Proto"] = "https"
    limit = aiohttp.ClientTimeout(total=timeout)
    async with machine.dial(address, port) as url:
        base = f"http://{host}" if url.startswith("unix:") else f"http://{urlsplit(url).netloc}"
        async with aiohttp.ClientSession(connector=connector(url), timeout=limit, headers=headers) as session:
            try:
                async with session.get(base + path, allow_redirects=False) as answer:
                    return await _judge(answer)
            except TimeoutError:
                return Outcome(False, f"no answer within {timeout:g} s")
            except aiohttp.ServerDisconnectedError:
                return Outcome(False, REFUSED)
            except aiohttp.ClientResponseError as error:  # its own words for bytes that it cannot read
                words = " ".join(error.message.rstrip(" ^\n").split())
                return Outcome(False, f"{NO_HTTP}: {words}")
            except aiohttp.ClientError as error:
                return Outcome(False, _words(error))


async def _judge(answer: ClientResponse) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(True, str(status), status)
    target = answer.headers.get("Location")
    text = f"{status} {answer.reason or ''}".strip() + (f" to {target}" if target else "")
    body = (await answer.content.read(SHOWN * 4)).decode("utf-8", "replace")
    return Outcome(False, text, status, " ".join(body.split())[:SHOWN])


async def probe_port(
    machine: Machine,
    address: str,
    port: int,
    *,
    timeout: float,
    settled: Callable[[], Awaitable[object]],
) -> Outcome:
    """Whether the port accepts a connection.

    Behind an SSH forward the near end accepts at once, and closes as soon as the far end is refused. `settled` is
    a question to the same server over the same connection, asked after ours: when it is answered, a refusal has
    arrived too.
    """
    async with machine.dial(address, port) as url:
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await open_stream(url)
                try:
                    return await _still_open(reader, settled)
                finally:
                    writer.close()
        except TimeoutError:
            return Outcome(False, f"no answer within {timeout:g} s")
        except OSError as error:
            return Outcome(False, _words(error))


async def _still_open(reader: asyncio.StreamReader, settled: Callable[[], Awaitable[object]]) -> Outcome:
    first = asyncio.ensure_future(reader.read(1))
    try:
        await settled()
        await asyncio.sleep(0.02)
        if not first.done():
            return Outcome(True, "accepts connections")
        closed = first.exception() is not None or first.result() == b""
        return Outcome(not closed, REFUSED if closed else "accepts connections")
    finally:
        first.cancel()


def _words(error: Exception) -> str:
    inner = error.__cause__ or error
    if isinstance(inner, OSError) and inner.errno in _GONE:
        return REFUSED
    return str(error) or type(error).__name__
