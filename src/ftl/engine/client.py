"""The client library behind the Engine: its session, the API version, and calls whose errors are ours."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import aiohttp
from aiodocker import Docker, DockerError
from yarl import URL

from ftl.aio import gather
from ftl.engine import convert
from ftl.engine.errors import FOREIGN, EngineCall, Explain, mapped
from ftl.errors import EngineError, EngineUnavailable
from ftl.json_fields import as_object, as_str

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType

    from ftl.engine.values import EngineInfo

# The newest API this package was tried against (Docker 28).
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


def connector(url: str) -> aiohttp.BaseConnector:
    """What aiohttp needs to reach "unix:///path" or "tcp://host:port", parallel and kept alive."""
    if url.startswith("unix://"):
        return aiohttp.UnixConnector(url.removeprefix("unix://"), keepalive_timeout=_KEEP_ALIVE_SECONDS)
    return aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_SECONDS)


def checked(name: str) -> str:
    """A name or reference that may stand in a path.

    Raises:
        EngineError: No engine could hold anything by that name.
    """
    if not _NAME.fullmatch(name):
        raise EngineError(f"`{name}` is not a name that Docker allows", status=400)
    return name


class Client:
    """An open session with one engine."""

    def __init__(self, url: str, *, name: str, explain: Explain | None) -> None:
        self.name = name
        self._url = url
        self._explain = explain
        self._docker: Docker | None = None
        self._connector: aiohttp.BaseConnector | None = None
        self._asking = asyncio.Lock()
        self._info: EngineInfo | None = None
        self.log_driver = ""

    async def __aenter__(self) -> Self:
        self._connector = connector(self._url)
        # With a connector of our own, aiodocker takes the URL for composing requests alone: any host will do.
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
        """The library, for one call: its errors become ours, its API version is negotiated."""
        async with self._mapping(action, seconds) as docker:
            await self.info()
            yield docker

    async def info(self) -> EngineInfo:
        """What the engine is, asked once: one round trip, which also settles the API version."""
        async with self._asking:
            if self._info is None:
                async with self._mapping("say what it is", CALL_SECONDS) as docker:
                    self._info = await self._ask(docker)
        return self._info

    async def open(self, connections: int) -> None:
        """Have so many connections besides, which wait for calls side by side."""
        async with self._mapping("answer", CALL_SECONDS) as docker:
            await gather(self._ping(docker) for _ in range(connections))

    async def _ping(self, docker: Docker) -> None:
        """`GET /_ping`: it needs no version, and is answered at once."""
        async with docker.session.get(URL(f"{docker.docker_host}/_ping"), timeout=bounded()) as response:
            await response.read()

    async def _ask(self, docker: Docker) -> EngineInfo:
        """`GET /info` without a version, for every answer names the engine's own (header Api-Version).

        aiodocker would ask for the version first, and then speak that, however new it is.
        """
        url = URL(f"{docker.docker_host}/info")
        async with docker.session.get(url, timeout=bounded()) as response:
            theirs = _version(response.headers.get("Api-Version", ""))
            if theirs is None:
                raise aiohttp.ClientResponseError(
                    response.request_info, (), status=response.status, message="no API version in the answer"
                )
            answer = as_object(await response.json())
            if response.status >= 400:
                raise DockerError(response.status, as_str(answer.get("message")))
        api = min(OUR_API, theirs)
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
        """A call for which aiodocker has no method of its own, over its public session: not bounded.

        These are: a changed restart policy, logs with their streams told apart, saving several images in one
        archive, an exec whose stdin can be ended, the engine's disk usage, a registry's digest, and an import from a
        tar. The connection is closed afterwards, for such a stream has no other end.

        Raises:
            DockerError: As the library would, to be mapped with the rest.
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
            ours = mapped(EngineCall(engine=self.name, action=action, seconds=seconds), error)
            if isinstance(ours, EngineUnavailable) and self._explain is not None:
                raise await self._explain() or ours from error
            raise ours from error


def _version(words: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)\.(\d+)", words)
    return (int(found[1]), int(found[2])) if found else None
