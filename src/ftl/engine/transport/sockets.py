"""Idle connections to an engine, shared by the reads of `http` and by aiohttp."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONNECT_SECONDS = 10.0

_NOTED = 32
"""Requests of a session that are remembered."""


class NotConnected(Exception):
    """No connection could be made; its cause says why."""


class Sockets:
    """Connected sockets that no call uses at the moment.

    Over SSH a new connection takes a round trip: those that were opened ahead, and those that a call has finished with,
    are used before.

    Args:
        url: "unix:///path" or "tcp://host:port".
        ready: Connected sockets to begin with. The list is kept up to date: who made it closes what is left.
        sent: Requests that were sent before their calls are made, each on a socket of its own.

    Attributes:
        asked: The requests of calls that only read, up to a number.
    """

    def __init__(
        self, url: str, ready: list[socket.socket], sent: Sequence[tuple[bytes, socket.socket]] = ()
    ) -> None:
        self.url = url
        self.asked: list[bytes] = []
        self._idle = ready
        self._sent = list(sent)

    def take_sent(self, request: bytes) -> socket.socket | None:
        """Take the socket on which a request was sent already; None where it was not."""
        if len(self.asked) < _NOTED:
            self.asked.append(request)
        for number, (sent, connection) in enumerate(self._sent):
            if sent == request:
                del self._sent[number]
                return connection
        return None

    def take(self) -> socket.socket | None:
        """Take an idle socket that the engine has not closed; None where there is none."""
        while self._idle:
            taken = self._idle.pop()
            if _is_open(taken):
                return taken
            taken.close()
        return None

    def give_back(self, idle: socket.socket) -> None:
        """Keep a socket on which nothing is under way for the next call."""
        self._idle.append(idle)

    async def connect(self) -> socket.socket:
        """Connect a new one.

        Raises:
            NotConnected: Nothing listens there, or it takes too long.
        """
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await self._connected()
        except OSError as error:
            raise NotConnected(str(error)) from error

    async def _connected(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        parts = urlsplit(self.url)
        family: int = socket.AF_UNIX
        address: Any = parts.path
        if parts.scheme != "unix":
            addresses = _numeric(parts.hostname, parts.port)
            if not addresses:
                addresses = await loop.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
            family, _, _, _, address = addresses[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            await loop.sock_connect(made, address)
        except BaseException:
            made.close()
            raise
        return made

    def close(self) -> None:
        """Close all that are idle."""
        while self._idle:
            self._idle.pop().close()
        while self._sent:
            self._sent.pop()[1].close()


def _numeric(host: str | None, port: int | None) -> list[Any]:
    """The address that a host is already, for which nobody has to be asked; empty for a name."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return []


def _is_open(idle: socket.socket) -> bool:
    """Whether the other end has neither closed it nor sent what nobody asked for."""
    try:
        idle.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
