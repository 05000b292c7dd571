"""Upload side of a registry, on the loopback interface, for a local engine's push.

As much of the distribution spec (opencontainers/distribution-spec, "Push") as engines use: they ask for a
blob by HEAD, upload it by POST, PATCH and PUT if it does not exist, and put a manifest in the end. Engines
accept plain HTTP on 127.0.0.0/8. They try TLS first, which is answered with an error, as it should be.

Other users of this machine can reach the port too. They do not know the name that all paths begin with, and
every upload is verified by its digest.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from ftl.image.transfer.sources.http_server import BodyInterrupted, HttpServer, UploadResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.image.transfer.sources.http_server import RequestBody, UploadRequest

_MANIFEST_LIMIT = 4 << 20


class UploadHandler(Protocol):
    """Receives the uploads of an endpoint."""

    def on_activity(self) -> None:
        """A request or a part of one has arrived."""

    def known_blob_size(self, digest: str) -> int | None:
        """The size of a blob that need not be uploaded; None for others."""

    async def receive(self, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        """Read a blob to its end; the digest and size of its tar.

        `chunks` may raise UploadInterrupted.
        """

    def blob_complete(self, digest: str, compressed_size: int, received: tuple[str, int]) -> None:
        """A blob is complete: its digest and size, and the result of `receive`."""


class UploadInterrupted(Exception):
    """The engine's connection was lost in the middle of a blob."""


@dataclass
class _Upload:
    """A blob that is being uploaded."""

    sha256: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    received: tuple[str, int] = ("", 0)


class UploadEndpoint:
    """HTTP server for one repository: an async context manager, whose end cuts uploads.

    `name` is the whole name of the repository, a secret; it listens on `port` if that is free.
    """

    def __init__(self, handler: UploadHandler, name: str, port: int = 0) -> None:
        self._handler = handler
        self._prefix = f"/v2/{name}/"
        self._socket = _listen(port)
        self._uploads: dict[str, _Upload] = {}
        self._complete: dict[str, int] = {}  # engines ask for a blob again right after its upload
        self._server = HttpServer(self._socket, self._answer)
        self.port: int = self._socket.getsockname()[1]
        self.repository = f"127.0.0.1:{self.port}/{name}"

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._server.__aexit__(*error)
        self._socket.close()

    async def _answer(self, request: UploadRequest, body: RequestBody) -> UploadResponse:
        self._handler.on_activity()
        if request.path == "/v2/":
            return UploadResponse(200, {"Docker-Distribution-Api-Version": "registry/2.0"})
        if not request.path.startswith(self._prefix):
            return UploadResponse(404)
        kind, _, rest = request.path.removeprefix(self._prefix).partition("/")
        upload_id = rest.removeprefix("uploads/")
        match request.method, kind:
            case "HEAD", "blobs":
                return self._head_blob(rest)
            case "POST", "blobs" if rest in {"uploads", "uploads/"}:
                return self._accepted(secrets.token_hex(8), _Upload())
            case "PATCH", "blobs" if upload_id in self._uploads:
                return await self._patch(body, upload_id)
            case "PUT", "blobs" if upload_id in self._uploads:
                digests = request.query.get("digest", [""])
                return await self._put_blob(body, self._uploads.pop(upload_id), digests[0])
            case "PUT", "manifests":
                return await self._put_manifest(request, body)
        return UploadResponse(404)

    def _head_blob(self, digest: str) -> UploadResponse:
        size = self._complete.get(digest) or self._handler.known_blob_size(digest)
        if size is None:
            return UploadResponse(404)
        return UploadResponse(200, {"Content-Length": str(size), "Docker-Content-Digest": digest})

    def _accepted(self, upload_id: str, upload: _Upload) -> UploadResponse:
        self._uploads[upload_id] = upload
        return UploadResponse(
            202,
            {
                "Location": f"{self._prefix}blobs/uploads/{upload_id}",
                "Docker-Upload-Uuid": upload_id,
                "Range": f"0-{max(upload.size - 1, 0)}",
            },
        )

    async def _patch(self, body: RequestBody, upload_id: str) -> UploadResponse:
        upload = self._uploads[upload_id]
        if upload.size:  # no engine sends a blob in several parts, and the first one has been read to its end
            return UploadResponse(416)
        upload.received = await self._handler.receive(self._chunks(body, upload))
        return self._accepted(upload_id, upload)

    async def _chunks(self, body: RequestBody, upload: _Upload) -> AsyncIterator[bytes]:
        try:
            async for piece in body.pieces():
                self._handler.on_activity()
                upload.sha256.update(piece)
                upload.size += len(piece)
                yield piece
        except BodyInterrupted as error:
            raise UploadInterrupted(str(error)) from error

    async def _put_blob(self, body: RequestBody, upload: _Upload, expected: str) -> UploadResponse:
        if not upload.size:
            upload.received = await self._handler.receive(self._chunks(body, upload))
        digest = f"sha256:{upload.sha256.hexdigest()}"
        if expected != digest:
            return UploadResponse(400)
        self._complete[digest] = upload.size
        self._handler.blob_complete(digest, upload.size, upload.received)
        headers = {"Location": f"{self._prefix}blobs/{digest}", "Docker-Content-Digest": digest}
        return UploadResponse(201, headers)

    async def _put_manifest(self, request: UploadRequest, body: RequestBody) -> UploadResponse:
        sha256 = hashlib.sha256()
        size = 0
        async for piece in body.pieces():
            sha256.update(piece)
            size += len(piece)
            if size > _MANIFEST_LIMIT:
                return UploadResponse(413)
        digest = f"sha256:{sha256.hexdigest()}"
        return UploadResponse(201, {"Location": request.path, "Docker-Content-Digest": digest})


def _listen(port: int) -> socket.socket:
    """A socket on the loopback interface; on another port if that one is in use or invalid."""
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            listener.bind(("127.0.0.1", 0))
    except BaseException:
        listener.close()
        raise
    return listener
