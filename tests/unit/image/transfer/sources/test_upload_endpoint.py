"""Tests of the endpoint that an engine pushes to, and of the cache of known blobs."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from ftl.errors import TransferFailed
from ftl.image.transfer.archive.archive import sha256_digest
from ftl.image.transfer.archive.spool import digest_layer
from ftl.image.transfer.sources.blob_cache import BlobCache, KnownBlob
from ftl.image.transfer.sources.selection import push_is_faster
from ftl.image.transfer.sources.upload_endpoint import UploadEndpoint, UploadInterrupted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TAR = b"a layer's tar " * 9000
BLOB = gzip.compress(TAR)


class Uploads:
    """A handler that records uploads."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.complete: dict[str, tuple[int, tuple[str, int]]] = {}
        self.interrupted = 0

    def on_activity(self) -> None:
        """Ignore it: no timeout depends on it."""

    def known_blob_size(self, digest: str) -> int | None:
        """The size that the test sets."""
        return self.known.get(digest)

    async def receive(self, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        """Compute the digest."""
        try:
            return await digest_layer(chunks)
        except UploadInterrupted:
            self.interrupted += 1
            raise

    def blob_complete(self, digest: str, compressed_size: int, received: tuple[str, int]) -> None:
        """Record the blob."""
        self.complete[digest] = (compressed_size, received)


def test_a_blob_is_uploaded_as_engines_do_it() -> None:
    """By HEAD, POST, PATCH and PUT; afterwards the blob exists."""
    uploads = Uploads()

    async def work() -> None:
        async with UploadEndpoint(uploads, "secret/name") as endpoint, aiohttp.ClientSession() as session:
            base = f"http://127.0.0.1:{endpoint.port}"
            assert endpoint.repository == f"127.0.0.1:{endpoint.port}/secret/name"
            blob = f"{base}/v2/secret/name/blobs/{sha256_digest(BLOB)}"
            assert (await session.get(f"{base}/v2/")).status == 200
            assert (await session.head(blob)).status == 404
            started = await session.post(f"{base}/v2/secret/name/blobs/uploads/")
            assert started.status == 202
            location = base + started.headers["Location"]
            sent = await session.patch(location, data=in_chunks(BLOB))
            assert (sent.status, sent.headers["Range"]) == (202, f"0-{len(BLOB) - 1}")
            done = await session.put(base + sent.headers["Location"], params={"digest": sha256_digest(BLOB)})
            assert (done.status, done.headers["Docker-Content-Digest"]) == (201, sha256_digest(BLOB))
            head = await session.head(blob)
            assert (head.status, head.headers["Content-Length"]) == (200, str(len(BLOB)))
            manifest = await session.put(f"{base}/v2/secret/name/manifests/1", data=b"{}")
            assert (manifest.status, manifest.headers["Docker-Content-Digest"]) == (201, sha256_digest(b"{}"))

    asyncio.run(work())
    assert uploads.complete == {sha256_digest(BLOB): (len(BLOB), (sha256_digest(TAR), len(TAR)))}


async def in_chunks(content: bytes) -> AsyncIterator[bytes]:
    """Content of unknown length."""
    for start in range(0, len(content), 100):
        yield content[start : start + 100]


def test_a_blob_may_be_uploaded_in_one_request() -> None:
    """By PUT, as other clients do it."""
    uploads = Uploads()

    async def work() -> int:
        async with UploadEndpoint(uploads, "name") as endpoint, aiohttp.ClientSession() as session:
            base = f"http://127.0.0.1:{endpoint.port}"
            started = await session.post(f"{base}/v2/name/blobs/uploads/")
            location = base + started.headers["Location"]
            return (await session.put(location, params={"digest": sha256_digest(BLOB)}, data=BLOB)).status

    assert asyncio.run(work()) == 201
    assert list(uploads.complete) == [sha256_digest(BLOB)]


def test_a_blob_with_a_wrong_digest_is_refused() -> None:
    """And it is not recorded."""
    uploads = Uploads()

    async def work() -> int:
        async with UploadEndpoint(uploads, "name") as endpoint, aiohttp.ClientSession() as session:
            base = f"http://127.0.0.1:{endpoint.port}"
            started = await session.post(f"{base}/v2/name/blobs/uploads/")
            location = base + started.headers["Location"]
            await session.patch(location, data=BLOB)
            return (await session.put(location, params={"digest": sha256_digest(b"another")})).status

    assert asyncio.run(work()) == 400
    assert uploads.complete == {}


def test_blobs_that_need_not_be_uploaded_exist() -> None:
    """HEAD returns their size."""
    uploads = Uploads()
    uploads.known[sha256_digest(BLOB)] = 77

    async def work() -> tuple[int, str]:
        async with UploadEndpoint(uploads, "name") as endpoint, aiohttp.ClientSession() as session:
            response = await session.head(
                f"http://127.0.0.1:{endpoint.port}/v2/name/blobs/{sha256_digest(BLOB)}"
            )
            return response.status, response.headers["Content-Length"]

    assert asyncio.run(work()) == (200, "77")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/other/blobs/uploads/"),
        ("HEAD", "/v2/other/blobs/sha256:00"),
        ("GET", "/v2/name/manifests/1"),
        ("PATCH", "/v2/name/blobs/uploads/unknown"),
        ("PUT", "/v2/name/blobs/uploads/unknown"),
        ("GET", "/"),
        ("DELETE", "/v2/name/blobs/sha256:00"),
    ],
)
def test_every_other_request_is_not_found(method: str, path: str) -> None:
    """Above all paths without the name that only the engine knows."""

    async def work() -> int:
        async with UploadEndpoint(Uploads(), "name") as endpoint, aiohttp.ClientSession() as session:
            return (await session.request(method, f"http://127.0.0.1:{endpoint.port}{path}")).status

    assert asyncio.run(work()) == 404


def test_a_broken_upload_is_reported() -> None:
    """As an interruption, not as a damaged layer."""
    uploads = Uploads()

    async def work() -> None:
        async with UploadEndpoint(uploads, "name") as endpoint, aiohttp.ClientSession() as session:
            started = await session.post(f"http://127.0.0.1:{endpoint.port}/v2/name/blobs/uploads/")
            _, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
            writer.write(
                f"PATCH {started.headers['Location']} HTTP/1.1\r\nHost: x\r\n"
                "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n".encode()
            )
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.close()
            async with asyncio.timeout(10):
                while not uploads.interrupted:
                    await asyncio.sleep(0.01)

    asyncio.run(work())


def test_a_port_in_use_is_replaced() -> None:
    """The last port is used again if it is free, another one if not or if it is invalid."""

    async def work() -> None:
        async with (
            UploadEndpoint(Uploads(), "name") as first,
            UploadEndpoint(Uploads(), "name", first.port) as second,
        ):
            assert second.port not in {0, first.port}
        async with UploadEndpoint(Uploads(), "name", first.port) as again:
            assert again.port == first.port
        async with UploadEndpoint(Uploads(), "name", 70_000) as elsewhere:
            assert 0 < elsewhere.port < 65_536

    asyncio.run(work())


def test_the_end_does_not_wait_for_uploads() -> None:
    """A running upload is cut."""
    uploads = Uploads()

    async def work() -> None:
        async with asyncio.timeout(10), UploadEndpoint(uploads, "name") as endpoint:
            _, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
            writer.write(b"POST /v2/name/manifests/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")
            await writer.drain()

    asyncio.run(work())


@pytest.mark.parametrize("damaged", [BLOB[:-9], BLOB[:50] + b"xxxx" + BLOB[54:]])
def test_a_damaged_blob_is_an_error(damaged: bytes) -> None:
    """Whether it is truncated or changed."""

    async def work() -> None:
        await digest_layer(in_chunks(damaged))

    with pytest.raises(TransferFailed):
        asyncio.run(work())


def test_the_blob_cache_is_kept(tmp_path: Path) -> None:
    """The blobs of parallel runs add up; the name stays, and no other user may read it."""
    path = tmp_path / "cache" / "pushed.json"
    first, second = BlobCache(path), BlobCache(path)
    first.port = 4001
    first.blobs["sha256:1"] = KnownBlob("sha256:a", 10, 5)
    first.save()
    second.name = first.name
    second.blobs["sha256:2"] = KnownBlob("sha256:b", 20, 6)
    second.save()
    again = BlobCache(path)
    assert again.blobs == {"sha256:1": KnownBlob("sha256:a", 10, 5), "sha256:2": KnownBlob("sha256:b", 20, 6)}
    assert again.name == first.name
    assert again.unknown(["sha256:a", "sha256:c"]) == {"sha256:c"}
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": 0}',
        '{"format": 1, "blobs": {"a": 1, "b": ["x"]}, "port": "x"}',
        '{"format": 1, "blobs": 3}',
    ],
)
def test_an_invalid_blob_cache_is_discarded(tmp_path: Path, content: str) -> None:
    """It can be learnt again."""
    path = tmp_path / "pushed.json"
    path.write_text(content)
    cache = BlobCache(path)
    assert (cache.blobs, cache.port, len(cache.name)) == ({}, 0, 32)
    cache.save()
    assert json.loads(path.read_text())["name"] == cache.name


@pytest.mark.parametrize(
    ("uploaded", "size", "expected"),
    [
        (0, 300_000_000, True),
        (5_000, 300_000_000, True),
        (120_000_000, 300_000_000, False),
        (300_000_000, 300_000_000, False),
        (5_000, 2_000_000, False),
        (120_000_000, 1_500_000_000, True),
    ],
)
def test_a_push_is_for_small_changes_of_large_images(uploaded: int, size: int, *, expected: bool) -> None:
    """Everything else is read by `docker save`."""
    assert push_is_faster(uploaded, size) is expected
