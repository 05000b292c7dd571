"""aiodocker and aiohttp, loaded by the first call that streams or upgrades the connection.

Engines are never spoken to with TLS, and aiohttp is loaded without it.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_str

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import aiohttp
    from aiodocker import Docker

    from ftl.engine.transport.sockets import Sockets

# Seconds for a call that is not a stream. Creating a container on a busy machine with a slow disk may take a
# minute; an engine that needs longer than this is stuck.
CALL_SECONDS = 120.0
_CONNECT_SECONDS = 10.0

_TLS = "ssl"

_LOADING = Lock()
"""Sessions with several servers begin side by side, in threads: a second one must not find Python without TLS."""


def load_aiohttp() -> None:
    """Import aiodocker and aiohttp, in half of the time that it takes by itself.

    aiohttp (3.14) makes two TLS contexts when it is imported, for which OpenSSL 3 loads its algorithms and the system's
    certificates: 75 of 170 ms. Where Python has no TLS it does without. Afterwards Python has TLS again.
    """
    with _LOADING:
        if "aiohttp" not in sys.modules:
            tls = sys.modules.get(_TLS)
            sys.modules[_TLS] = None  # type: ignore[assignment]  # Python's way to say that there is no such module
            try:
                import_module("aiohttp")
            finally:
                if tls is None:
                    del sys.modules[_TLS]
                else:
                    sys.modules[_TLS] = tls
        import_module("aiodocker")


def bounded(seconds: float = CALL_SECONDS) -> aiohttp.ClientTimeout:
    """A bound on a whole call of aiodocker's."""
    import aiohttp

    return aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)


def unbounded() -> aiohttp.ClientTimeout:
    """No bound, for streams: they end when the engine ends them, or the connection does."""
    import aiohttp

    return aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)


class Library:
    """aiodocker's session with one engine, begun with the first call that needs it."""

    def __init__(self, url: str, sockets: Sockets) -> None:
        self._url = url
        self._sockets = sockets
        self._loading = asyncio.Lock()
        self._docker: Docker | None = None
        self._connector: aiohttp.BaseConnector | None = None

    async def docker(self, api: str) -> Docker:
        """The session, which speaks this version of the API."""
        async with self._loading:
            if self._docker is None:
                await asyncio.to_thread(load_aiohttp)
                from aiodocker import Docker

                from ftl.engine.transport.connector import connector

                self._connector = connector(self._url, self._sockets)
                # With an explicit connector, aiodocker uses the URL only to compose requests: any host will do. Without
                # a version it would ask for the engine's, and use that even if it is newer than OUR_API.
                url = "unix://localhost" if self._url.startswith("unix://") else self._url
                self._docker = Docker(
                    url, connector=self._connector, timeout=bounded(), api_version=f"v{api}"
                )
        return self._docker

    async def close(self) -> None:
        """Close the session if it has begun."""
        if self._docker is not None:
            await self._docker.close()
        if self._connector is not None:
            await self._connector.close()


@asynccontextmanager
async def raw(
    docker: Docker,
    method: str,
    path: str,
    *,
    query: Sequence[tuple[str, str]] = (),
    body: Mapping[str, object] | None = None,
    data: AsyncIterator[bytes] | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """A stream for which aiodocker has no method, over its public session. Not bounded.

    These are: saving several images in one archive, an exec whose stdin can be ended, and an import from a tar. The
    connection is closed afterwards, as such a stream has no other end.

    Raises:
        DockerError: As aiodocker does, to be mapped with the rest.
    """
    from aiodocker import DockerError
    from yarl import URL

    url = URL(f"{docker.docker_host}/{docker.api_version}/{path}").with_query(list(query))
    async with docker.session.request(method, url, json=body, data=data, timeout=unbounded()) as response:
        try:
            if response.status >= 400:
                answer = as_object(await response.json())
                raise DockerError(response.status, as_str(answer.get("message")))
            yield response
        finally:
            response.close()
