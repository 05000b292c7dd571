"""Tests of the image archive, and of tar streams."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.errors import TransferFailed
from ftl.image.transfer.archive.archive import ArchivedImage, archive_documents, blob_path, sha256_digest
from ftl.image.transfer.archive.tar import END_OF_ARCHIVE, TarEntry, TarReader, file_header, padding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONFIG = json.dumps({"architecture": "arm64", "os": "linux", "variant": "v8", "rootfs": {}}).encode()
LOWER, UPPER = sha256_digest(b"lower"), sha256_digest(b"upper")
IMAGE = ArchivedImage("ftl-incoming:1-a-0", CONFIG, (LOWER, UPPER))
SIZES = {LOWER: 5, UPPER: 7}


async def chunks(content: bytes, size: int) -> AsyncIterator[bytes]:
    """The content in chunks, as from a network."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def read(content: bytes, size: int = 100) -> list[tuple[TarEntry, bytes]]:
    """All entries of a tar with their bodies, by the streaming reader."""

    async def run() -> list[tuple[TarEntry, bytes]]:
        reader = TarReader(chunks(content, size), name="the archive")
        entries: list[tuple[TarEntry, bytes]] = []
        while entry := await reader.next():
            entries.append((entry, b"".join([chunk async for chunk in reader.body()])))
        return entries

    return asyncio.run(run())


def documents(images: list[ArchivedImage], sizes: dict[str, int]) -> dict[str, bytes]:
    """The documents in an archive, by Python's tar reader."""
    written = b"".join(
        file_header(name, len(content)) + content + padding(len(content))
        for name, content in archive_documents(images, sizes).items()
    )
    with tarfile.open(fileobj=io.BytesIO(written + END_OF_ARCHIVE)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_the_archive_is_an_oci_layout_and_dockers_format() -> None:
    """Both kinds of store find their documents, which name the same blobs."""
    files = documents([IMAGE], SIZES)
    index = json.loads(files["index.json"])["manifests"][0]
    manifest_bytes = files[blob_path(index["digest"])]
    manifest = json.loads(manifest_bytes)
    docker = json.loads(files["manifest.json"])[0]

    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert (sha256_digest(manifest_bytes), len(manifest_bytes)) == (index["digest"], index["size"])
    assert files[blob_path(manifest["config"]["digest"])] == CONFIG
    assert [(layer["digest"], layer["size"]) for layer in manifest["layers"]] == [(LOWER, 5), (UPPER, 7)]
    assert docker["Layers"] == [blob_path(LOWER), blob_path(UPPER)]
    assert docker["Config"] == blob_path(sha256_digest(CONFIG))


def test_an_image_has_its_tag_for_both_stores() -> None:
    """Docker takes the tag from `RepoTags`, containerd from the annotation."""
    files = documents([IMAGE], SIZES)
    index = json.loads(files["index.json"])["manifests"][0]
    assert json.loads(files["manifest.json"])[0]["RepoTags"] == ["ftl-incoming:1-a-0"]
    assert index["annotations"]["io.containerd.image.name"] == "docker.io/library/ftl-incoming:1-a-0"
    assert index["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}


def test_an_archive_contains_several_images() -> None:
    """Two images of one deploy share the archive, each with its tag."""
    other = ArchivedImage("ftl-incoming:1-a-1", CONFIG.replace(b"arm64", b"amd64"), (LOWER,))
    files = documents([IMAGE, other], SIZES)
    assert [image["RepoTags"][0] for image in json.loads(files["manifest.json"])] == [IMAGE.tag, other.tag]
    assert len(json.loads(files["index.json"])["manifests"]) == 2


@given(
    st.dictionaries(st.text("abc/", min_size=1), st.binary(max_size=2000), max_size=5), st.integers(1, 1500)
)
def test_what_is_written_is_read_back(files: dict[str, bytes], chunk: int) -> None:
    """Whatever the size of the chunks."""
    named = {
        f"blobs/{number}-{name.replace('/', '_')}": body for number, (name, body) in enumerate(files.items())
    }
    content = b"".join(
        file_header(name, len(body)) + body + padding(len(body)) for name, body in named.items()
    )
    assert {entry.name: body for entry, body in read(content + END_OF_ARCHIVE, chunk)} == named


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_links_are_read(form: int) -> None:
    """In the formats of Go's and GNU's tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        info = tarfile.TarInfo("a/" * 80 + "ü.tar")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "b/" * 80 + "end"
        archive.addfile(link)
    (file, body), (link_entry, _) = read(buffer.getvalue())
    assert (file.name, file.kind, body) == ("a/" * 80 + "ü.tar", "file", b"abc")
    assert (link_entry.kind, link_entry.target) == ("link", "b/" * 80 + "end")


def test_a_size_beyond_eight_gigabytes_fits_a_header() -> None:
    """The octal field of a tar header ends at 8 GiB; a layer does not."""
    assert tarfile.TarInfo.frombuf(file_header("blob", 1 << 35), "utf-8", "strict").size == 1 << 35


@pytest.mark.parametrize("cut", [100, 600, 1024, 2047])
def test_a_truncated_archive_is_an_error(cut: int) -> None:
    """Inside a header, inside a body or before the end mark."""
    whole = file_header("blob", 1000) + bytes(1000) + padding(1000) + END_OF_ARCHIVE
    with pytest.raises(TransferFailed, match="ended early"):
        read(whole[:cut])


def test_other_content_is_an_error() -> None:
    """It is not taken for an empty archive."""
    with pytest.raises(TransferFailed, match="damaged"):
        read(b"<html>" * 200)
