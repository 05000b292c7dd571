"""The endpoint that an engine pushes to: what it answers, what it takes, and what it remembers."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from ftl.errors import TransferFailed
from ftl.image.transfer.archive.spool import digest_layer
from ftl.image.transfer.sources.blob_cache import BlobCache, KnownBlob
from ftl.image.transfer.sources.selection import push_is_faster
from ftl.image.transfer.sources.upload_endpoint import UploadEndpoint, UploadInterrupted
from tests.unit.image.transfer.engine_folder import digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TAR = b"a layer's tar " * 9000
PACKED = gzip.compress(TAR)


class Shelf:
    """What stands behind the endpoint in these tests."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.learnt: dict[str, tuple[int, tuple[str, int]]] = {}
        self.cut = 0

    def heard(self) -> None:
        """Nothing waits for it."""

    def packed(self, digest: str) -> int | None:
        """What the test says."""
        return self.known.get(digest)

    async def receive(self, pieces: AsyncIterator[bytes]) -> tuple[str, int]:
        """Digest it."""
        try:
            return await digest_layer(pieces)
        except UploadInterrupted:
            self.cut += 1
            raise

    def learn_blob(self, digest: str, packed: int, received: tuple[str, int]) -> None:
        """Note it."""
        self.learnt[digest] = (packed, received)


def test_a_blob_is_uploaded_as_engines_do_it() -> None:
    """Not there, begun, sent in pieces, completed, there."""
    shelf = Shelf()

    async def work() -> None:
        async with UploadEndpoint(shelf, "secret/name") as endpoint, aiohttp.ClientSession() as session:
            base = f"http://127.0.0.1:{endpoint.port}"
            assert endpoint.repository == f"127.0.0.1:{endpoint.port}/secret/name"
            blob = f"{base}/v2/secret/name/blobs/{digest(PACKED)}"
            assert (await session.get(f"{base}/v2/")).status == 200
            assert (await session.head(blob)).status == 404
            begun = await session.post(f"{base}/v2/secret/name/blobs/uploads/")
            assert begun.status == 202
            place = base + begun.headers["Location"]
            sent = await session.patch(place, data=in_pieces(PACKED))
            assert (sent.status, sent.headers["Range"]) == (202, f"0-{len(PACKED) - 1}")
            done = await session.put(base + sent.headers["Location"], params={"digest": digest(PACKED)})
            assert (done.status, done.headers["Docker-Content-Digest"]) == (201, digest(PACKED))
            there = await session.head(blob)
            assert (there.status, there.headers["Content-Length"]) == (200, str(len(PACKED)))
            manifest = await session.put(f"{base}/v2/secret/name/manifests/1", data=b"{}")
            assert (manifest.status, manifest.headers["Docker-Content-Digest"]) == (201, digest(b"{}"))

    asyncio.run(work())
    assert shelf.learnt == {digest(PACKED): (len(PACKED), (digest(TAR), len(TAR)))}


async def in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """Content of no stated length."""
    for start in range(0, len(content), 100):
        yield content[start : start + 100]


def test_a_blob_may_come_with_its_end() -> None:
    """In one PUT, as other clients do it."""
    shelf = Shelf()

    async def work() -> int:
        async with UploadEndpoint(shelf, "name") as endpoint, aiohttp.ClientSession() as session:
            base = f"http://127.0.0.1:{endpoint.port}"
            begun = await session.post(f"{base}/v2/name/blobs/uploads/")
            place = base + begun.headers["Location"]
            return (await session.put(place, params={"digest": digest(PACKED)}, data=PACKED)).status

    assert asyncio.run(work()) == 201
    assert list(shelf.learnt) == [digest(PACKED)]


def test_what_is_not_the_blob_it_says_is_refused() -> None:
    """By its digest; and nothing is remembered of it."""
    shelf = Shelf()

    async def work() -> int:
        async with UploadEndpoint(shelf, "name") as endpoint, aiohttp.ClientSession() as session:
            base = f"http://127.0.0.1:{endpoint.port}"
            begun = await session.post(f"{base}/v2/name/blobs/uploads/")
            place = base + begun.headers["Location"]
            await session.patch(place, data=PACKED)
            return (await session.put(place, params={"digest": digest(b"another")})).status

    assert asyncio.run(work()) == 400
    assert shelf.learnt == {}


def test_blobs_that_need_not_come_are_there() -> None:
    """With the size that they have."""
    shelf = Shelf()
    shelf.known[digest(PACKED)] = 77

    async def work() -> tuple[int, str]:
        async with UploadEndpoint(shelf, "name") as endpoint, aiohttp.ClientSession() as session:
            answer = await session.head(f"http://127.0.0.1:{endpoint.port}/v2/name/blobs/{digest(PACKED)}")
            return answer.status, answer.headers["Content-Length"]

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
def test_everything_else_is_not_there(method: str, path: str) -> None:
    """Above all what does not begin with the name that only the engine was told."""

    async def work() -> int:
        async with UploadEndpoint(Shelf(), "name") as endpoint, aiohttp.ClientSession() as session:
            return (await session.request(method, f"http://127.0.0.1:{endpoint.port}{path}")).status

    assert asyncio.run(work()) == 404


def test_an_upload_that_breaks_off_is_told() -> None:
    """As what it is, not as a damaged layer."""
    shelf = Shelf()

    async def work() -> None:
        async with UploadEndpoint(shelf, "name") as endpoint, aiohttp.ClientSession() as session:
            begun = await session.post(f"http://127.0.0.1:{endpoint.port}/v2/name/blobs/uploads/")
            _, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
            writer.write(
                f"PATCH {begun.headers['Location']} HTTP/1.1\r\nHost: x\r\n"
                "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n".encode()
            )
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.close()
            async with asyncio.timeout(10):
                while not shelf.cut:
                    await asyncio.sleep(0.01)

    asyncio.run(work())


def test_a_port_that_is_taken_is_no_obstacle() -> None:
    """The last one is taken again if it is free, another one if not, or if what was remembered is no port."""

    async def work() -> None:
        async with UploadEndpoint(Shelf(), "name") as one, UploadEndpoint(Shelf(), "name", one.port) as other:
            assert other.port not in {0, one.port}
        async with UploadEndpoint(Shelf(), "name", one.port) as again:
            assert again.port == one.port
        async with UploadEndpoint(Shelf(), "name", 70_000) as elsewhere:
            assert 0 < elsewhere.port < 65_536

    asyncio.run(work())


def test_an_end_does_not_wait_for_uploads() -> None:
    """Whoever still uploads is cut off."""
    shelf = Shelf()

    async def work() -> None:
        async with asyncio.timeout(10), UploadEndpoint(shelf, "name") as endpoint:
            _, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
            writer.write(b"POST /v2/name/manifests/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")
            await writer.drain()

    asyncio.run(work())


@pytest.mark.parametrize("damaged", [PACKED[:-9], PACKED[:50] + b"xxxx" + PACKED[54:]])
def test_a_damaged_blob_is_refused(damaged: bytes) -> None:
    """Cut or changed."""

    async def work() -> None:
        await digest_layer(in_pieces(damaged))

    with pytest.raises(TransferFailed):
        asyncio.run(work())


def test_what_is_remembered_is_there_the_next_time(tmp_path: Path) -> None:
    """The blobs of runs side by side add up; the name stays, and nobody else may read it."""
    path = tmp_path / "cache" / "pushed.json"
    one, other = BlobCache(path), BlobCache(path)
    one.port = 4001
    one.blobs["sha256:1"] = KnownBlob("sha256:a", 10, 5)
    one.save()
    other.name = one.name
    other.blobs["sha256:2"] = KnownBlob("sha256:b", 20, 6)
    other.save()
    again = BlobCache(path)
    assert again.blobs == {"sha256:1": KnownBlob("sha256:a", 10, 5), "sha256:2": KnownBlob("sha256:b", 20, 6)}
    assert again.name == one.name
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
def test_what_is_not_readable_is_forgotten(tmp_path: Path, content: str) -> None:
    """It can be learnt again."""
    path = tmp_path / "pushed.json"
    path.write_text(content)
    remembered = BlobCache(path)
    assert (remembered.blobs, remembered.port, len(remembered.name)) == ({}, 0, 32)
    remembered.save()
    assert json.loads(path.read_text())["name"] == remembered.name


@pytest.mark.parametrize(
    ("uploaded", "size", "paid"),
    [
        (0, 300_000_000, True),
        (5_000, 300_000_000, True),
        (120_000_000, 300_000_000, False),
        (300_000_000, 300_000_000, False),
        (5_000, 2_000_000, False),
        (120_000_000, 1_500_000_000, True),
    ],
)
def test_a_push_is_for_small_changes_of_large_images(uploaded: int, size: int, *, paid: bool) -> None:
    """All else is saved."""
    assert push_is_faster(uploaded, size) is paid
