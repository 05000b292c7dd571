"""Where the members of a tar lie, held against `tarfile`'s reading of it."""

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


def found(tar: bytes, piece: int) -> list[MemberExtent]:
    """What is found, in pieces of that size."""
    reader = MemberScanner()
    return [extent for at in range(0, len(tar), piece) for extent in reader.feed(tar[at : at + piece])]


@example(
    members=[("\x80\n", b"")], layout=tarfile.PAX_FORMAT, piece=1
)  # a newline may be a name's last character
@given(
    members=st.lists(st.tuples(NAMES, BODIES), max_size=5),
    layout=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    piece=st.integers(1, 3000),
)
def test_members_lie_where_tarfile_sees_them(
    members: list[tuple[str, bytes]], layout: int, piece: int
) -> None:
    """With names of any length and any bytes, however the archive comes in pieces."""
    tar = tarball(members, layout)
    extents = found(tar, piece)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        seen = archive.getmembers()
    names = [os.fsencode(name) for name, _ in members for name in (name, "link")]
    assert [extent.name for extent in extents] == names
    assert [extent.start for extent in extents] == [info.offset for info in seen]
    ends = [info.offset_data + info.size + -info.size % BLOCK_SIZE for info in seen]
    assert [extent.end for extent in extents] == ends


def test_a_size_may_be_binary() -> None:
    """GNU's form, for files of 8 GB and more; their bytes are not looked at."""
    assert found(file_header("large", 9 << 30), BLOCK_SIZE) == [
        MemberExtent(b"large", 0, BLOCK_SIZE + (9 << 30))
    ]


def test_nothing_follows_the_end() -> None:
    """What comes after the empty blocks is no part of the archive."""
    tar = tarball([("a", b"x")], tarfile.GNU_FORMAT)
    assert len(found(tar + tar, 700)) == 2


@pytest.mark.parametrize("size", [b"-0000001000\0", b"-1", b"+1_0", b"\xff" * 12, b"\x80" + b"\xff" * 11])
def test_a_size_that_is_none_ends_the_reading(size: bytes) -> None:
    """A negative one must not lead back."""
    block = bytearray(file_header("a", 0))
    block[124:136] = size.ljust(12, b"\0")
    extents = found(bytes(block) + tarball([("b", b"y")], tarfile.GNU_FORMAT), BLOCK_SIZE)
    assert all(extent.start < extent.end for extent in extents)


@given(st.binary(max_size=5000), st.integers(1, 999))
def test_garbage_is_passed_over(content: bytes, piece: int) -> None:
    """It may be anything: nothing is raised, and the reading ends."""
    found(content, piece)


@given(st.data())
def test_a_damaged_tar_is_passed_over(data: st.DataObject) -> None:
    """Any byte may be another one, also in what tells long names."""
    tar = bytearray(tarball([("n" * 150, b"x" * 600), ("ü" * 90, b"")], tarfile.PAX_FORMAT))
    for _ in range(data.draw(st.integers(1, 8))):
        tar[data.draw(st.integers(0, len(tar) - 1))] = data.draw(st.integers(0, 255))
    found(bytes(tar), data.draw(st.integers(1, 2000)))


@pytest.mark.parametrize("records", [b"0 path=a\n", b"-1 path=a\n", b"path=a\n", b"7 path\n"])
def test_records_that_are_none(records: bytes) -> None:
    """A length of nothing would be read for ever."""
    with pytest.raises(ValueError, match=r"length|int"):
        pax_records(records)
