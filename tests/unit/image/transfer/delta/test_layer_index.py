"""Tests of the index of a layer that only the server has, and of its approximation."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftl.image.transfer.delta.base_layer import ByteRange
from ftl.image.transfer.delta.encoder import DeltaEncoder
from ftl.image.transfer.delta.layer_index import HEAD, checksum, parse_layer_index
from ftl.image.transfer.delta.members import MemberScanner
from tests.unit.image.transfer.delta.python_apply import apply_delta
from tests.unit.image.transfer.server_home import Home, name

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.image.transfer.delta.layer_index import LayerIndex
    from ftl.image.transfer.delta.members import MemberExtent

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed here")

OLD = {"a": b"alpha" * 1000, "b/" + "long" * 40: b"beta" * 777, "empty": b"", "c": bytes(range(256)) * 40}


def tarball(files: Mapping[str, bytes], *, layout: int = tarfile.PAX_FORMAT, mtime: int = 0) -> bytes:
    """A layer of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mtime = len(content), mtime
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def fetch_index(old: bytes) -> LayerIndex:
    """The index that a server makes of a layer."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.cache(old)
        index = parse_layer_index(home.describe(name(old)), len(old))
        assert index is not None
        return index


def approximation(index: LayerIndex, new: bytes) -> bytes:
    """The tar that approximates the old layer."""
    with tempfile.TemporaryFile() as file:
        index.approximate(file, io.BytesIO(new), members(new))
        file.seek(0)
        return file.read()


def members(tar: bytes) -> list[MemberExtent]:
    """The members of a tar."""
    return MemberScanner().feed(tar)


@settings(max_examples=25, deadline=None)
@given(
    files=st.dictionaries(
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=120),
        st.binary(max_size=3000),
        max_size=5,
    ),
    layout=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_a_layer_with_unchanged_files_is_known_to_the_last_byte(files: dict[str, bytes], layout: int) -> None:
    """Whatever the files' times and order are in the new layer."""
    old = tarball(files, layout=layout)
    index = fetch_index(old)
    again = tarball(dict(reversed(files.items())), layout=layout, mtime=1_700_000_000)
    assert approximation(index, again) == old


def test_changed_contents_are_unknown() -> None:
    """Even where the size stayed; everything else is in its place."""
    old = tarball(OLD)
    index = fetch_index(old)
    new = tarball({**OLD, "a": b"alphA" * 1000, "c": b"short"})
    tar = approximation(index, new)
    with tempfile.TemporaryFile() as file:
        base = index.approximate(file, io.BytesIO(new), members(new))
        known = base.known(ByteRange(0, len(old)))
    extents = {extent.name: extent for extent in members(old)}
    for path in (b"a", b"c"):
        extent = extents[path]
        assert tar[extent.start : extent.content] == old[extent.start : extent.content]
        content = slice(extent.content + HEAD, extent.content + extent.size)
        assert tar[extent.content : content.start] == old[extent.content : content.start]
        assert tar[content] != old[content]
        assert not any(part.offset < content.stop and part.end > content.start for part in known)
        tar = tar[: content.start] + old[content] + tar[content.stop :]
    assert tar == old
    assert sum(part.length for part in known) == len(old) - sum(
        extents[path].size - HEAD for path in (b"a", b"c")
    )


def test_of_two_members_with_one_name_the_first_is_unknown() -> None:
    """Some builders write such layers; no file of the new one supplies its content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for content in (b"first" * 100, b"second" * 100):
            info = tarfile.TarInfo("twice")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    old, new = out.getvalue(), tarball({"zeros": bytes(5000), "twice": b"second" * 100})
    index = fetch_index(old)
    with tempfile.TemporaryFile() as file:
        base = index.approximate(file, io.BytesIO(new), members(new))
        assert base.known(ByteRange(0, 2048)) == [ByteRange(0, 512 + HEAD), ByteRange(1012, 1036)]
        encoder = DeltaEncoder(base)
        frames = [window.compress() for window in [*encoder.feed(new), *encoder.finish()]]
    assert apply_delta(frames, old) == new


def test_a_delta_to_the_approximation_applies_to_the_layer_itself(tmp_path: Path) -> None:
    """And it is small: unchanged contents are not sent."""
    noise = zstd.compress(bytes(1)) + bytes(range(256)) * 4000
    files = {**OLD, "noise": noise}
    old, new = tarball(files), tarball({**files, "a": b"changed" * 500, "new": b"new"}, mtime=1_700_000_000)
    index = fetch_index(old)
    with (tmp_path / "base").open("w+b") as file:
        encoder = DeltaEncoder(index.approximate(file, io.BytesIO(new), members(new)))
        frames = [window.compress() for window in [*encoder.feed(new), *encoder.finish()]]
    assert apply_delta(frames, old) == new
    assert sum(len(frame.content) for frame in frames) < len(noise) / 100


def test_files_that_changed_only_in_their_heads_are_known() -> None:
    """Compiled Python has the time of its source there."""
    compiled = {f"m{at}.pyc": b"magicnumbertime%d" % at + bytes([at]) * 5000 for at in range(3)}
    again = {path: b"another..time..." + content[16:] for path, content in compiled.items()}
    old, new = tarball(compiled), tarball(again)
    index = fetch_index(old)
    assert approximation(index, new) == old


def test_checksums_equal_the_servers() -> None:
    """For contents of any length: the last word is padded, and sums wrap around."""
    files = {
        str(size): b"\xff" * size
        for size in (1, 15, 16, 17, 24, 25, 4096, 1 << 20, (1 << 20) + 17, 3_000_000)
    }
    old = tarball(files)
    index = fetch_index(old)
    sums = {path: total for path, (_, total) in index.members.items()}
    assert sums == {extent.name: checksum(io.BytesIO(old), extent) for extent in members(old)}
    assert sums[b"16"] == 0
    assert sums[b"17"] == 0xFF
    assert sums[b"24"] == (1 << 64) - 1


def test_an_invalid_index_is_rejected() -> None:
    """The layer is no longer cached, is damaged, is no tar, or is larger than its name says."""
    old = tarball(OLD)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        assert parse_layer_index(home.describe(name(old)), len(old)) is None
        path = home.cache(old)
        valid = home.describe(name(old))
        assert parse_layer_index(valid, len(old)) is not None
        assert parse_layer_index(valid, 1000) is None
        assert parse_layer_index(valid[:-5], len(old)) is None
        path.write_bytes(path.read_bytes()[:-100])
        assert parse_layer_index(home.describe(name(old)), len(old)) is None
        path.write_bytes(zstd.compress(b"no tar at all"))
        assert parse_layer_index(home.describe(name(old)), len(old)) is None
