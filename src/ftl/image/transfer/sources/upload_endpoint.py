"""The upload side of a registry, on this machine's loopback, for one engine that pushes to it.

As much of the distribution spec (opencontainers/distribution-spec, "Push") as engines use: they ask for a
blob by HEAD, upload it by POST, PATCH and PUT if it is not there, and put a manifest in the end. Engines
take plain HTTP on 127.0.0.0/8. They knock with TLS first, which is answered with an error, as it should be.

Others on this machine can reach the port too. They do not know the name that all paths begin with, and
whatever is uploaded is believed only for its digest.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from aiohttp import ClientError, web
from aiohttp.web import RequestPayloadError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

_MANIFEST_LIMIT = 4 << 20
_QUIET = logging.getLogger("ftl.endpoint")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class UploadHandler(Protocol):
    """What stands behind the endpoint."""

    def heard(self) -> None:
        """A request or a part of one came."""

    def packed(self, digest: str) -> int | None:
        """The size of a blob that need not be uploaded; None for others."""

    async def receive(self, pieces: AsyncIterator[bytes]) -> tuple[str, int]:
        """Take a blob, to its end; the digest and the size of what is in it. `pieces` may raise Cut."""

    def learn_blob(self, digest: str, packed: int, received: tuple[str, int]) -> None:
        """A blob is complete: its digest and its size, and what `receive` returned."""


class UploadInterrupted(Exception):
    """The engine's connection ended in the middle of a blob."""


@dataclass
class _Upload:
    """A blob on its way."""

    found: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    received: tuple[str, int] = ("", 0)


class UploadEndpoint:
    """A server for one repository. An async context manager; what is under way when it ends is cut.

    Args:
        registry: What stands behind it.
        name: The repository, all of it: nobody else may know it.
        port: Where to listen if that is free.
    """

    def __init__(self, registry: UploadHandler, name: str, port: int = 0) -> None:
        self._registry = registry
        self._prefix = f"/v2/{name}/"
        self._socket = _bound(port)
        self._uploads: dict[str, _Upload] = {}
        self._complete: dict[str, int] = {}  # asked for again right after the upload
        self._runner = web.ServerRunner(
            web.Server(self._answer, access_log=None, logger=_QUIET), shutdown_timeout=0.1
        )
        self.port: int = self._socket.getsockname()[1]
        self.repository = f"127.0.0.1:{self.port}/{name}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        self._socket.close()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self._registry.heard()
        if request.path == "/v2/":
            return web.Response(headers={"Docker-Distribution-Api-Version": "registry/2.0"})
        if not request.path.startswith(self._prefix):
            return web.Response(status=404)
        kind, _, rest = request.path.removeprefix(self._prefix).partition("/")
        upload = rest.removeprefix("uploads/")
        match request.method, kind:
            case "HEAD", "blobs":
                return self._known(rest)
            case "POST", "blobs" if rest in {"uploads", "uploads/"}:
                return self._begun(secrets.token_hex(8), _Upload())
            case "PATCH", "blobs" if upload in self._uploads:
                return await self._taken(request, upload)
            case "PUT", "blobs" if upload in self._uploads:
                return await self._finished(request, self._uploads.pop(upload))
            case "PUT", "manifests":
                return await self._manifest(request)
        return web.Response(status=404)

    def _known(self, digest: str) -> web.Response:
        size = self._complete.get(digest) or self._registry.packed(digest)
        if size is None:
            return web.Response(status=404)
        return web.Response(headers={"Content-Length": str(size), "Docker-Content-Digest": digest})

    def _begun(self, name: str, upload: _Upload) -> web.Response:
        self._uploads[name] = upload
        return web.Response(
            status=202,
            headers={
                "Location": f"{self._prefix}blobs/uploads/{name}",
                "Docker-Upload-Uuid": name,
                "Range": f"0-{max(upload.size - 1, 0)}",
            },
        )

    async def _taken(self, request: web.BaseRequest, name: str) -> web.Response:
        upload = self._uploads[name]
        if upload.size:  # no engine sends a blob in parts, and the first one has been read to its end
            return web.Response(status=416)
        upload.received = await self._registry.receive(self._counted(request, upload))
        return self._begun(name, upload)

    async def _counted(self, request: web.BaseRequest, upload: _Upload) -> AsyncIterator[bytes]:
        try:
            async for piece in request.content.iter_any():
                self._registry.heard()
                upload.found.update(piece)
                upload.size += len(piece)
                yield piece
        except (OSError, ClientError, RequestPayloadError) as error:
            raise UploadInterrupted(str(error)) from error

    async def _finished(self, request: web.BaseRequest, upload: _Upload) -> web.Response:
        if not upload.size:
            upload.received = await self._registry.receive(self._counted(request, upload))
        digest = f"sha256:{upload.found.hexdigest()}"
        if request.query.get("digest") != digest:
            return web.Response(status=400)
        self._complete[digest] = upload.size
        self._registry.learn_blob(digest, upload.size, upload.received)
        headers = {"Location": f"{self._prefix}blobs/{digest}", "Docker-Content-Digest": digest}
        return web.Response(status=201, headers=headers)

    async def _manifest(self, request: web.BaseRequest) -> web.Response:
        found = hashlib.sha256()
        size = 0
        async for piece in request.content.iter_any():
            found.update(piece)
            size += len(piece)
            if size > _MANIFEST_LIMIT:
                return web.Response(status=413)
        digest = f"sha256:{found.hexdigest()}"
        return web.Response(status=201, headers={"Location": request.path, "Docker-Content-Digest": digest})


def _bound(port: int) -> socket.socket:
    """A socket on the loopback; on another port if that one is taken, or is none."""
    made = socket.socket()
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            made.bind(("127.0.0.1", 0))
    except BaseException:
        made.close()
        raise
    return made
