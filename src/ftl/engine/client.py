"""Session with an engine through aiodocker: API version, connections, mapped errors."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import aiohttp
from aiodocker import Docker, DockerError
from yarl import URL

from ftl.engine import convert
from ftl.engine.errors import FOREIGN, EngineCall, Explain, mapped
from ftl.errors import EngineError, EngineUnavailable
from ftl.json_fields import as_object, as_str

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from socket import socket
    from types import TracebackType

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

    from ftl.engine.values import EngineInfo

# The newest API version that this package was tested with (Docker 28).
OUR_API = (1, 51)

# Seconds for a call that is not a stream. Creating a container on a busy machine with a slow disk may take a
# minute; an engine that needs longer than this is stuck.
CALL_SECONDS = 120.0
CONNECT_SECONDS = 10.0

# No engine closes idle connections, and over SSH a new one costs a round trip: keep them for a whole deploy.
_KEEP_ALIVE_SECONDS = 600.0

# Names go into the path of a URL. This is what Docker allows in names, references and digests; "..", "?" and
# "#" would make it another path.
_NAME = re.compile(r"[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9_.:/@+-]*")


def bounded(seconds: float = CALL_SECONDS) -> aiohttp.ClientTimeout:
    """A bound on a whole call."""
    return aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)


# For streams: they end when the engine ends them, or the connection does.
UNBOUNDED = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)


class _UnixConnector(aiohttp.UnixConnector):
    """Uses sockets that are connected already, before it connects new ones.

    aiohttp has no public way to hand it a connected unix socket (3.14). The private names have been the same since 3.0.
    """

    def __init__(self, path: str, ready: list[socket]) -> None:
        super().__init__(path, keepalive_timeout=_KEEP_ALIVE_SECONDS)
        self._ready = ready

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        if not self._ready:
            return await super()._create_connection(req, traces, timeout)
        _, protocol = await self._loop.create_unix_connection(self._factory, sock=self._ready.pop())
        return protocol


def connector(url: str, ready: list[socket] | None = None) -> aiohttp.BaseConnector:
    """Connector of aiohttp for "unix:///path" or "tcp://host:port", with keep-alive.

    Args:
        url: The address.
        ready: Connected sockets to use first, of which it takes those that it needs.
    """
    if url.startswith("unix://"):
        return _UnixConnector(url.removeprefix("unix://"), [] if ready is None else ready)
    return aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_SECONDS)


def checked(name: str) -> str:
    """Return a name or reference that is safe in a URL's path.

    Raises:
        EngineError: Docker allows no such name.
    """
    if not _NAME.fullmatch(name):
        raise EngineError(f"`{name}` is not a name that Docker allows", status=400)
    return name


class Client:
    """A session with one engine."""

    def __init__(self, url: str, *, name: str, explain: Explain | None, ready: list[socket]) -> None:
        self.name = name
        self._url = url
        self._ready = ready
        self._explain = explain
        self._docker: Docker | None = None
        self._connector: aiohttp.BaseConnector | None = None
        self._info_lock = asyncio.Lock()
        self._info: EngineInfo | None = None
        self.log_driver = ""

    async def __aenter__(self) -> Self:
        self._connector = connector(self._url, self._ready)
        # With an explicit connector, aiodocker uses the URL only to compose requests: any host will do.
        url = "unix://localhost" if self._url.startswith("unix://") else self._url
        self._docker = Docker(url, connector=self._connector, timeout=bounded())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._docker is not None:
            await self._docker.close()
        if self._connector is not None:
            await self._connector.close()

    @asynccontextmanager
    async def call(self, action: str, *, seconds: float = CALL_SECONDS) -> AsyncIterator[Docker]:
        """Aiodocker for one call: its errors are mapped to ours, its API version is negotiated."""
        async with self._mapping(action, seconds) as docker:
            await self.info()
            yield docker

    async def info(self) -> EngineInfo:
        """Information about the engine, requested once: it also settles the API version."""
        async with self._info_lock:
            if self._info is None:
                async with self._mapping("describe itself", CALL_SECONDS) as docker:
                    self._info = await self._ask(docker)
        return self._info

    async def _ask(self, docker: Docker) -> EngineInfo:
        """`GET /info` without a version: every response has the engine's version in the header Api-Version.

        aiodocker would ask for the version first, and then use that, even if it is newer than OUR_API.
        """
        url = URL(f"{docker.docker_host}/info")
        async with docker.session.get(url, timeout=bounded()) as response:
            engine_api = _version(response.headers.get("Api-Version", ""))
            if engine_api is None:
                raise aiohttp.ClientResponseError(
                    response.request_info, (), status=response.status, message="no API version in the answer"
                )
            answer = as_object(await response.json())
            if response.status >= 400:
                raise DockerError(response.status, as_str(answer.get("message")))
        api = min(OUR_API, engine_api)
        docker.api_version = f"v{api[0]}.{api[1]}"
        self.log_driver = as_str(answer.get("LoggingDriver"))
        return convert.engine_info(answer, f"{api[0]}.{api[1]}")

    @asynccontextmanager
    async def raw(
        self,
        docker: Docker,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Mapping[str, object] | None = None,
        data: AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A call for which aiodocker has no method, over its public session. Not bounded.

        These are: a changed restart policy, logs with their streams told apart, saving several images in one
        archive, an exec whose stdin can be ended, the engine's disk usage, a registry's digest, and an import from a
        tar. The connection is closed afterwards, as such a stream has no other end.

        Raises:
            DockerError: As aiodocker does, to be mapped with the rest.
        """
        url = URL(f"{docker.docker_host}/{docker.api_version}/{path}").with_query(list(query))
        async with docker.session.request(method, url, json=body, data=data, timeout=UNBOUNDED) as response:
            try:
                if response.status >= 400:
                    answer = as_object(await response.json())
                    raise DockerError(response.status, as_str(answer.get("message")))
                yield response
            finally:
                response.close()

    @asynccontextmanager
    async def _mapping(self, action: str, seconds: float) -> AsyncIterator[Docker]:
        if self._docker is None:
            raise RuntimeError("the engine is used outside its context")
        try:
            yield self._docker
        except FOREIGN as error:
            ftl_error = mapped(EngineCall(engine=self.name, action=action, seconds=seconds), error)
            if isinstance(ftl_error, EngineUnavailable) and self._explain is not None:
                raise await self._explain() or ftl_error from error
            raise ftl_error from error


def _version(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None
