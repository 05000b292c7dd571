"""Tests of the scanner for members of a tar, compared with `tarfile`."""

from __future__ import annotations

import io
import os
import tarfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftl.image.transfer.archive.tar import BLOCK_SIZE, file_header, pax_records
from ftl.image.transfer.delta.members import MemberExtent, MemberScanner

NAMES = st.one_of(
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=20),
    st.sampled_from(["a/" * 60 + "b", "x" * 99, "x" * 100, "x" * 101, "p" * 150 + "/" + "n" * 90, "ü" * 80]),
    st.just(os.fsdecode(b"caf\xe9")),
)
BODIES = st.binary(max_size=1500)


def tarball(members: list[tuple[str, bytes]], layout: int) -> bytes:
    """A tar, with a link to each file after it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, name
            archive.addfile(link)
    return out.getvalue()


def scan(tar: bytes, chunk: int) -> list[MemberExtent]:
    """The members of a tar that is fed in chunks."""
    scanner = MemberScanner()
    return [extent for at in range(0, len(tar), chunk) for extent in scanner.feed(tar[at : at + chunk])]


@example(
    members=[("\x80\n", b"")], layout=tarfile.PAX_FORMAT, chunk=1
)  # a newline may be a name's last character
@given(
    members=st.lists(st.tuples(NAMES, BODIES), max_size=5),
    layout=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    chunk=st.integers(1, 3000),
)
def test_members_are_at_the_positions_that_tarfile_finds(
    members: list[tuple[str, bytes]], layout: int, chunk: int
) -> None:
    """For names of any length and any bytes, and chunks of any size."""
    tar = tarball(members, layout)
    extents = scan(tar, chunk)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        infos = archive.getmembers()
    names = [os.fsencode(name) for name, _ in members for name in (name, "link")]
    assert [extent.name for extent in extents] == names
    assert [extent.start for extent in extents] == [info.offset for info in infos]
    ends = [info.offset_data + info.size + -info.size % BLOCK_SIZE for info in infos]
    assert [extent.end for extent in extents] == ends


def test_a_size_may_be_binary() -> None:
    """GNU's format, for files of 8 GB and more."""
    assert scan(file_header("large", 9 << 30), BLOCK_SIZE) == [
        MemberExtent(b"large", 0, BLOCK_SIZE + (9 << 30))
    ]


def test_nothing_follows_the_end() -> None:
    """Bytes after the empty blocks are no part of the archive."""
    tar = tarball([("a", b"x")], tarfile.GNU_FORMAT)
    assert len(scan(tar + tar, 700)) == 2


@pytest.mark.parametrize("size", [b"-0000001000\0", b"-1", b"+1_0", b"\xff" * 12, b"\x80" + b"\xff" * 11])
def test_an_invalid_size_ends_the_scan(size: bytes) -> None:
    """A negative size must not lead backwards."""
    block = bytearray(file_header("a", 0))
    block[124:136] = size.ljust(12, b"\0")
    extents = scan(bytes(block) + tarball([("b", b"y")], tarfile.GNU_FORMAT), BLOCK_SIZE)
    assert all(extent.start < extent.end for extent in extents)


@given(st.binary(max_size=5000), st.integers(1, 999))
def test_any_content_can_be_scanned(content: bytes, chunk: int) -> None:
    """Nothing is raised, and the scan ends."""
    scan(content, chunk)


@given(st.data())
def test_a_damaged_tar_can_be_scanned(data: st.DataObject) -> None:
    """Any byte may be wrong, also in headers of long names."""
    tar = bytearray(tarball([("n" * 150, b"x" * 600), ("ü" * 90, b"")], tarfile.PAX_FORMAT))
    for _ in range(data.draw(st.integers(1, 8))):
        tar[data.draw(st.integers(0, len(tar) - 1))] = data.draw(st.integers(0, 255))
    scan(bytes(tar), data.draw(st.integers(1, 2000)))


@pytest.mark.parametrize("records", [b"0 path=a\n", b"-1 path=a\n", b"path=a\n", b"7 path\n"])
def test_invalid_pax_records_are_an_error(records: bytes) -> None:
    """A length of zero would be read for ever."""
    with pytest.raises(ValueError, match=r"length|int"):
        pax_records(records)
