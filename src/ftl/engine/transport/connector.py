"""Connectors of aiohttp to an engine, or to a port that a machine reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

    from ftl.engine.transport.sockets import Sockets

# No engine closes idle connections, and over SSH a new one costs a round trip: keep them for a whole deploy.
_KEEP_ALIVE_SECONDS = 600.0


class _UnixConnector(aiohttp.UnixConnector):
    """Uses sockets that are connected already, before it connects new ones.

    aiohttp has no public way to hand it a connected unix socket (3.14). The private names have been the same since 3.0.
    """

    def __init__(self, path: str, sockets: Sockets | None) -> None:
        super().__init__(path, keepalive_timeout=_KEEP_ALIVE_SECONDS)
        self._sockets = sockets

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        idle = self._sockets.take() if self._sockets is not None else None
        if idle is None:
            return await super()._create_connection(req, traces, timeout)
        _, protocol = await self._loop.create_unix_connection(self._factory, sock=idle)
        return protocol


def connector(url: str, sockets: Sockets | None = None) -> aiohttp.BaseConnector:
    """Connector of aiohttp for "unix:///path" or "tcp://host:port", with keep-alive.

    `sockets` are idle connections to a unix socket, of which it takes those that it needs.
    """
    if url.startswith("unix://"):
        return _UnixConnector(url.removeprefix("unix://"), sockets)
    return aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_SECONDS)
