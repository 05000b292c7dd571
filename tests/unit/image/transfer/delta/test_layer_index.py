"""An old layer that only the server has: what its script tells of it, and what becomes of that here."""

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
from ftl.image.transfer.delta.delta import DeltaEncoder
from ftl.image.transfer.delta.layer_index import HEAD, checksum, parse_layer_index
from ftl.image.transfer.delta.members import MemberScanner
from tests.unit.image.transfer.differences import made_of
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
    """A layer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mtime = len(content), mtime
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def described(old: bytes) -> LayerIndex | None:
    """What a server tells of a layer."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.keep(old)
        return parse_layer_index(home.describe(name(old)), len(old))


def imagined(ledger: LayerIndex, new: bytes) -> bytes:
    """The tar that is like the old one."""
    with tempfile.TemporaryFile() as file:
        ledger.basis(file, io.BytesIO(new), members(new))
        file.seek(0)
        return file.read()


def members(tar: bytes) -> list[MemberExtent]:
    """Where a tar's members lie."""
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
def test_a_layer_whose_files_all_stayed_is_known_to_the_last_byte(
    files: dict[str, bytes], layout: int
) -> None:
    """Whatever their times are now, and where they lie."""
    old = tarball(files, layout=layout)
    ledger = described(old)
    assert ledger is not None
    again = tarball(dict(reversed(files.items())), layout=layout, mtime=1_700_000_000)
    assert imagined(ledger, again) == old


def test_what_changed_is_not_compared_with() -> None:
    """Also where the size stayed; the rest is in its place."""
    old = tarball(OLD)
    ledger = described(old)
    assert ledger is not None
    new = tarball({**OLD, "a": b"alphA" * 1000, "c": b"short"})
    made = imagined(ledger, new)
    with tempfile.TemporaryFile() as file:
        basis = ledger.basis(file, io.BytesIO(new), members(new))
        known = basis.known(ByteRange(0, len(old)))
    where = {extent.name: extent for extent in members(old)}
    for path in (b"a", b"c"):
        extent = where[path]
        assert made[extent.start : extent.content] == old[extent.start : extent.content]
        content = slice(extent.content + HEAD, extent.content + extent.size)
        assert made[extent.content : content.start] == old[extent.content : content.start]
        assert made[content] != old[content]
        assert not any(part.offset < content.stop and part.end > content.start for part in known)
        made = made[: content.start] + old[content] + made[content.stop :]
    assert made == old
    assert sum(part.length for part in known) == len(old) - sum(
        where[path].size - HEAD for path in (b"a", b"c")
    )


def test_of_two_members_of_one_name_the_first_is_not_known() -> None:
    """Some builders write such layers; nothing of the new one stands in for it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for content in (b"first" * 100, b"second" * 100):
            info = tarfile.TarInfo("twice")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    old, new = out.getvalue(), tarball({"zeros": bytes(5000), "twice": b"second" * 100})
    ledger = described(old)
    assert ledger is not None
    with tempfile.TemporaryFile() as file:
        basis = ledger.basis(file, io.BytesIO(new), members(new))
        assert basis.known(ByteRange(0, 2048)) == [ByteRange(0, 512 + HEAD), ByteRange(1012, 1036)]
        windows = DeltaEncoder(basis)
        made = [window.frame() for window in [*windows.feed(new), *windows.finish()]]
    assert made_of(made, old) == new


def test_a_difference_to_it_is_read_with_the_old_layer_itself(tmp_path: Path) -> None:
    """And is small: what the old one has does not travel."""
    noise = zstd.compress(bytes(1)) + bytes(range(256)) * 4000
    files = {**OLD, "noise": noise}
    old, new = tarball(files), tarball({**files, "a": b"changed" * 500, "new": b"new"}, mtime=1_700_000_000)
    ledger = described(old)
    assert ledger is not None
    with (tmp_path / "like").open("w+b") as file:
        windows = DeltaEncoder(ledger.basis(file, io.BytesIO(new), members(new)))
        made = [window.frame() for window in [*windows.feed(new), *windows.finish()]]
    assert made_of(made, old) == new
    assert sum(len(frame.content) for frame in made) < len(noise) / 100


def test_files_whose_heads_alone_changed_are_known() -> None:
    """Compiled Python has the time of its source there."""
    compiled = {f"m{at}.pyc": b"magicnumbertime%d" % at + bytes([at]) * 5000 for at in range(3)}
    again = {path: b"another..time..." + content[16:] for path, content in compiled.items()}
    old, new = tarball(compiled), tarball(again)
    ledger = described(old)
    assert ledger is not None
    assert imagined(ledger, new) == old


def test_sums_are_those_of_the_server() -> None:
    """Of contents of any length: the last word is filled up, and sums go round."""
    files = {
        str(size): b"\xff" * size
        for size in (1, 15, 16, 17, 24, 25, 4096, 1 << 20, (1 << 20) + 17, 3_000_000)
    }
    old = tarball(files)
    ledger = described(old)
    assert ledger is not None
    told = {path: told for path, (_, told) in ledger.members.items()}
    assert told == {extent.name: checksum(io.BytesIO(old), extent) for extent in members(old)}
    assert told[b"16"] == 0
    assert told[b"17"] == 0xFF
    assert told[b"24"] == (1 << 64) - 1


def test_what_cannot_be_understood_is_no_description() -> None:
    """A layer that is not kept any more, is damaged, is no tar, or is not as large as its name says."""
    old = tarball(OLD)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        assert parse_layer_index(home.describe(name(old)), len(old)) is None
        path = home.keep(old)
        whole = home.describe(name(old))
        assert parse_layer_index(whole, len(old)) is not None
        assert parse_layer_index(whole, 1000) is None
        assert parse_layer_index(whole[:-5], len(old)) is None
        path.write_bytes(path.read_bytes()[:-100])
        assert parse_layer_index(home.describe(name(old)), len(old)) is None
        path.write_bytes(zstd.compress(b"no tar at all"))
        assert parse_layer_index(home.describe(name(old)), len(old)) is None
