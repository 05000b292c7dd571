"""Tests of the delta encoder: the result is the new layer, in bounded memory."""

from __future__ import annotations

import io
import random
import tarfile
import tracemalloc
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ftl.image.transfer.delta.base_layer import BaseLayer
from ftl.image.transfer.delta.encoder import MAX_PREFIX, WINDOW, DeltaEncoder
from ftl.image.transfer.delta.members import MemberExtent, MemberScanner
from tests.unit.image.transfer.delta.python_apply import apply_delta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.image.transfer.delta.encoder import DeltaFrame

NOISE = random.Random(7).randbytes(6 << 20)
NAMES = st.sampled_from(["a", "b", "lib/c.py", "lib/" + "long" * 40, "größe", "z" * 120])
BODIES = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda at, size: NOISE[at : at + size],
        st.integers(0, 3 << 20),
        st.sampled_from([10, 70_000, 900_000]),
    ),
    st.builds(lambda at: NOISE[at : at + (3 << 20)], st.integers(0, 3 << 20)),
)
TARS = st.lists(st.tuples(NAMES, BODIES), max_size=6)


def tarball(members: Iterable[tuple[str, bytes]], *, mtime: int = 0) -> bytes:
    """A tar, in which a name may occur twice."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), mtime
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def base_layer(old: bytes, members: Mapping[bytes, MemberExtent] | None = None) -> BaseLayer:
    """A base layer, scanned for its members by default."""
    known = {extent.name: extent for extent in MemberScanner().feed(old)} if members is None else members
    return BaseLayer(io.BytesIO(old), len(old), known)


def frames(new: bytes, base: BaseLayer, *, chunk: int = 1 << 20) -> list[DeltaFrame]:
    """The new layer as a delta."""
    encoder = DeltaEncoder(base)
    windows = [window for at in range(0, len(new), chunk) for window in encoder.feed(new[at : at + chunk])]
    return [window.compress() for window in [*windows, *encoder.finish()]]


def size(delta: Iterable[DeltaFrame]) -> int:
    """The bytes to send."""
    return sum(len(frame.content) for frame in delta)


@settings(deadline=None, max_examples=40)
@given(old=TARS, new=TARS, mtime=st.integers(0, 1))
def test_the_delta_makes_the_new_layer(
    old: list[tuple[str, bytes]], new: list[tuple[str, bytes]], mtime: int
) -> None:
    """With members added, removed, renamed, changed, reordered, without common members, or without any."""
    before, after = tarball(old), tarball(new, mtime=mtime)
    assert apply_delta(frames(after, base_layer(before)), before) == after


@settings(deadline=None, max_examples=40)
@given(old=st.binary(max_size=3000), new=st.binary(max_size=3000))
def test_other_content_than_a_tar_works_too(old: bytes, new: bytes) -> None:
    """Members' names only decide what to compare."""
    assert apply_delta(frames(new, base_layer(old), chunk=100), old) == new


@settings(deadline=None, max_examples=40)
@given(
    extents=st.dictionaries(
        st.sampled_from([b"a", b"b", b"c"]),
        st.builds(
            MemberExtent,
            st.just(b""),
            st.integers(0, 1 << 20) | st.integers(0, 1 << 40),
            st.integers(0, 1 << 20) | st.integers(0, 1 << 40),
            st.sampled_from([0, 5000, 70_000, 1 << 40]),
        ),
    ),
    new=TARS,
)
def test_wrong_extents_cost_only_compression(
    extents: dict[bytes, MemberExtent], new: list[tuple[str, bytes]]
) -> None:
    """A header may have a wrong size."""
    before, after = NOISE[: 1 << 20], tarball([("a", b"x" * 5000), *new, ("b", NOISE[:5000])])
    assert apply_delta(frames(after, base_layer(before, extents)), before) == after


def test_new_times_alone_make_a_tiny_delta() -> None:
    """In a layer that was built again every header differs, but no content."""
    members = [(f"lib/{at}", NOISE[at * 50_000 : (at + 1) * 50_000]) for at in range(100)]
    before, after = tarball(members), tarball(members, mtime=1_700_000_000)
    assert size(frames(after, base_layer(before))) < len(after) / 200


def test_files_that_moved_are_found_by_their_names() -> None:
    """Even if they moved by more than the range of a window."""
    members = [(f"lib/{at}", NOISE[at * 50_000 : (at + 1) * 50_000]) for at in range(100)]
    added = ("added", random.Random(8).randbytes(MAX_PREFIX + WINDOW))
    before, after = tarball(members), tarball([added, *members], mtime=1)
    assert size(frames(after, base_layer(before))) < len(added[1]) * 1.02


def test_a_changed_huge_file_is_compared_with_itself() -> None:
    """A window in its middle is compared with the middle of the old content."""
    content = random.Random(9).randbytes(12 << 20)
    changed = content[: 6 << 20] + b"changed" + content[6 << 20 :]
    before, after = tarball([("data", content)]), tarball([("data", changed)], mtime=1)
    assert size(frames(after, base_layer(before))) < len(after) / 200


def test_unchanged_parts_between_changes_are_not_in_memory() -> None:
    """Each of many small changes has its own prefix, and these are far apart in the base layer."""
    old = tarball([(f"lib/{at}", NOISE[at * 1000 : at * 1000 + 600_000]) for at in range(200)])
    new = tarball([(f"lib/{at}", NOISE[at * 1000 : at * 1000 + 400]) for at in range(200)])
    base = base_layer(old)
    tracemalloc.start()
    prefixes = [len(window.prefix) for window in DeltaEncoder(base).feed(new)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(prefixes) > 6 * MAX_PREFIX
    assert peak < 3 * MAX_PREFIX


def test_memory_does_not_grow_with_the_layer() -> None:
    """It is that of a window and its prefix, whatever the size of both layers."""

    def peak(megabytes: int) -> int:
        old = tarball([(str(at), NOISE[:50_000]) for at in range(megabytes * 20)])
        encoder = DeltaEncoder(base_layer(old))
        tracemalloc.start()
        for at in range(0, len(old), 1 << 20):
            for window in encoder.feed(old[at : at + (1 << 20)]):
                window.compress()
        for window in encoder.finish():
            window.compress()
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    assert peak(40) < peak(10) * 1.3
