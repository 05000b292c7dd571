"""Session with an engine: short calls, aiodocker, the API version, mapped errors.

All that is no stream goes over `ftl.engine.transport.http`. aiodocker, and aiohttp below it, are loaded with the
first other call.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode

from ftl.common.json_fields import as_object, as_str
from ftl.engine import convert
from ftl.engine.errors import EngineCall, Explain, mapped
from ftl.engine.responses import api_of, json_of, message, progress
from ftl.engine.transport import http
from ftl.engine.transport.library import CALL_SECONDS, Library
from ftl.engine.transport.sockets import Sockets
from ftl.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from socket import socket

    from aiodocker import Docker

    from ftl.engine.values import EngineInfo

# The newest API version that this package was tested with (Docker 28).
OUR_API = (1, 51)

# From 1.44 on the info lists all that each runtime can do, which nobody reads: 10 kB in place of 4 on Docker 26.
BRIEF_API = (1, 41)


_NO_HEADERS: Mapping[str, str] = {}

_BAD_REQUEST = 400

# Names go into the path of a URL. This is what Docker allows in names, references and digests; "..", "?" and
# "#" would make it another path.
_NAME = re.compile(r"[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9_.:/@+-]*")


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

    def __init__(
        self,
        url: str,
        *,
        name: str,
        explain: Explain | None,
        ready: list[socket],
        sent: Sequence[tuple[bytes, socket]] = (),
        brief: bool = False,
    ) -> None:
        self.name = name
        self.is_brief = brief
        self._sockets = Sockets(url, ready, sent)
        self._explain = explain
        self._is_open = False
        self._library = Library(url, self._sockets)
        self._info_lock = asyncio.Lock()
        self._info: EngineInfo | None = None
        self._is_newer = False
        self.log_driver = ""
        self.fastest_answer = math.inf

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_open = False
        self._sockets.close()
        await self._library.close()

    @property
    def asked(self) -> Sequence[bytes]:
        """The first requests of calls that only read."""
        return self._sockets.asked

    async def get(
        self, action: str, path: str, query: Mapping[str, object] | None = None, *, is_fresh: bool = False
    ) -> bytes:
        """Body of a read, `GET /PATH`.

        Before anything is known of the engine, its own version of the API is good unless it is newer than OUR_API:
        so the first reads need not wait for its info.

        Args:
            action: The call, for messages: "the engine on NAME could not ACTION".
            path: Without the API's version; names in it must be `checked`.
            query: Mappings are written as JSON, a list as several values, and what is None is left out.
            is_fresh: Whether it must be sent now: an answer to what was sent before the call would prove nothing.
        """
        target = f"/{path}{_query(query or {})}"
        async with self._mapping(action, CALL_SECONDS):
            if not self._is_newer:
                answer = await self._get(target, is_fresh=is_fresh)
                self._is_newer = api_of(answer) > OUR_API
                if not self._is_newer:
                    return answer.body
            return (await self._get(f"/v{_dotted(OUR_API)}{target}", is_fresh=is_fresh)).body

    @asynccontextmanager
    async def stream(
        self,
        action: str,
        path: str,
        query: Mapping[str, object],
        *,
        method: str = "GET",
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> AsyncIterator[AsyncGenerator[bytes]]:
        """Body of an answer that may last, as it comes; see `get`.

        Only the time to its beginning is bounded.
        """
        info = await self.info()
        async with self._mapping(action, CALL_SECONDS):
            target = f"/v{info.api}/{path}{_query(query)}"
            request = http.Request(target, method, headers=headers, is_repeatable=method == "GET")
            async with (
                http.stream(self._sockets, request, seconds=CALL_SECONDS) as (status, _, _, pieces),
                aclosing(pieces),
            ):
                if status >= 400:
                    raise http.HttpError(status, message(b"".join([piece async for piece in pieces])))
                yield pieces

    async def get_json(self, action: str, path: str, query: Mapping[str, object] | None = None) -> object:
        """A read whose body is JSON; see `get`."""
        body = await self.get(action, path, query)
        async with self._mapping(action, CALL_SECONDS):
            return json_of(body)

    async def send(
        self,
        action: str,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        body: Mapping[str, object] | None = None,
        is_repeatable: bool = False,
        seconds: float = CALL_SECONDS,
    ) -> object:
        """JSON of the answer to a call that changes something, or that is slow; see `get`.

        A POST that is `is_repeatable` may be made twice, where the engine closed its connection meanwhile; other
        methods are. After `seconds` EngineUnavailable is raised. None where the answer has no body.
        """
        info = await self.info()
        content = b"" if body is None else json.dumps(body).encode()
        target = f"/v{info.api}/{path}{_query(query or {})}"
        repeatable = is_repeatable or method != "POST"
        request = http.Request(target, method, content, is_repeatable=repeatable, is_fresh=True)
        async with self._mapping(action, seconds):
            answer = (await self._send(request, seconds)).body
            return json_of(answer) if answer else None

    async def progress(
        self, action: str, path: str, query: Mapping[str, object], headers: Mapping[str, str]
    ) -> AsyncGenerator[object]:
        """JSON objects of the engine's progress in a `POST`; an error among them is raised."""
        rest = b""
        async with self.stream(action, path, query, method="POST", headers=headers) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in filter(None, map(bytes.strip, lines)):
                    yield progress(line)
            if rest.strip():
                yield progress(rest)

    @asynccontextmanager
    async def call(self, action: str, *, seconds: float = CALL_SECONDS) -> AsyncIterator[Docker]:
        """Aiodocker for one call: its errors are mapped to ours, its API version is negotiated."""
        info = await self.info()
        async with self._mapping(action, seconds):
            self._require_open()
            yield await self._library.docker(info.api)

    async def info(self) -> EngineInfo:
        """Information about the engine, requested once: it also fixes the API version."""
        async with self._info_lock:
            if self._info is None:
                async with self._mapping("describe itself", CALL_SECONDS):
                    self._info = await self._ask()
        return self._info

    async def _ask(self) -> EngineInfo:
        """`GET /info`: every response has the engine's version in the header Api-Version."""
        answer = await self._brief_info() or await self._get("/info")
        self._is_newer = api_of(answer) > OUR_API
        api = min(OUR_API, api_of(answer))
        info = as_object(json_of(answer.body))
        self.log_driver = as_str(info.get("LoggingDriver"))
        return convert.engine_info(info, _dotted(api))

    async def _brief_info(self) -> http.Response | None:
        """The info as of BRIEF_API; None from an engine that does not know that version (Docker 29)."""
        try:
            return await self._get(f"/v{_dotted(BRIEF_API)}/info") if self.is_brief else None
        except http.HttpError as error:
            self.is_brief = error.status != _BAD_REQUEST
            if self.is_brief:
                raise
        return None

    async def _get(self, target: str, *, is_fresh: bool = False) -> http.Response:
        return await self._send(http.Request(target, is_fresh=is_fresh))

    def _require_open(self) -> None:
        if not self._is_open:
            raise RuntimeError("the engine is used outside its context")

    async def _send(self, request: http.Request, seconds: float = CALL_SECONDS) -> http.Response:
        self._require_open()
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            answer = await http.send(self._sockets, request)
        self.fastest_answer = min(self.fastest_answer, time.monotonic() - began)
        if answer.status >= 400:
            raise http.HttpError(answer.status, message(answer.body))
        return answer

    @asynccontextmanager
    async def _mapping(self, action: str, seconds: float) -> AsyncIterator[None]:
        try:
            yield
        except Exception as error:
            ftl_error = mapped(EngineCall(engine=self.name, action=action, seconds=seconds), error)
            if ftl_error is None:
                raise
            if isinstance(ftl_error, EngineUnavailable) and self._explain is not None:
                raise await self._explain() or ftl_error from error
            raise ftl_error from error


def _query(values: Mapping[str, object]) -> str:
    texts = {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value is not None
    }
    return f"?{urlencode(texts, doseq=True)}" if texts else ""


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
