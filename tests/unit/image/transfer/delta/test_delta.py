"""Layers as differences: whatever the two tars are, the new one comes out again, and memory does not grow with them."""

from __future__ import annotations

import io
import random
import tarfile
import tracemalloc
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ftl.image.transfer.delta.base_layer import BaseLayer
from ftl.image.transfer.delta.delta import REACH, WINDOW, DeltaEncoder
from ftl.image.transfer.delta.members import MemberExtent, MemberScanner
from tests.unit.image.transfer.differences import made_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.image.transfer.delta.delta import DeltaFrame

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
    """A tar; a name may be in it twice."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), mtime
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def basis(old: bytes, members: Mapping[bytes, MemberExtent] | None = None) -> BaseLayer:
    """An old layer, as it is found before a new one is sent."""
    known = {extent.name: extent for extent in MemberScanner().feed(old)} if members is None else members
    return BaseLayer(io.BytesIO(old), len(old), known)


def frames(new: bytes, against: BaseLayer, *, piece: int = 1 << 20) -> list[DeltaFrame]:
    """The new layer as a difference."""
    windows = DeltaEncoder(against)
    cut = [window for at in range(0, len(new), piece) for window in windows.feed(new[at : at + piece])]
    return [window.frame() for window in [*cut, *windows.finish()]]


def size(made: Iterable[DeltaFrame]) -> int:
    """Bytes to send."""
    return sum(len(each.content) for each in made)


@settings(deadline=None, max_examples=40)
@given(old=TARS, new=TARS, mtime=st.integers(0, 1))
def test_the_new_layer_comes_out_again(
    old: list[tuple[str, bytes]], new: list[tuple[str, bytes]], mtime: int
) -> None:
    """Members added, removed, renamed, changed, in another order, with none in common, or none at all."""
    before, after = tarball(old), tarball(new, mtime=mtime)
    assert made_of(frames(after, basis(before)), before) == after


@settings(deadline=None, max_examples=40)
@given(old=st.binary(max_size=3000), new=st.binary(max_size=3000))
def test_what_is_no_tar_comes_out_again_too(old: bytes, new: bytes) -> None:
    """Names only say where to look."""
    assert made_of(frames(new, basis(old), piece=100), old) == new


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
def test_wrong_places_cost_compression_and_nothing_else(
    extents: dict[bytes, MemberExtent], new: list[tuple[str, bytes]]
) -> None:
    """A header may lie about what follows it."""
    before, after = NOISE[: 1 << 20], tarball([("a", b"x" * 5000), *new, ("b", NOISE[:5000])])
    assert made_of(frames(after, basis(before, extents)), before) == after


def test_new_times_cost_next_to_nothing() -> None:
    """A layer that was built again: every header differs, no file does."""
    members = [(f"lib/{at}", NOISE[at * 50_000 : (at + 1) * 50_000]) for at in range(100)]
    before, after = tarball(members), tarball(members, mtime=1_700_000_000)
    assert size(frames(after, basis(before))) < len(after) / 200


def test_what_was_added_in_front_does_not_hide_what_follows() -> None:
    """Files lie elsewhere than before, further away than a window reaches: their names tell where."""
    members = [(f"lib/{at}", NOISE[at * 50_000 : (at + 1) * 50_000]) for at in range(100)]
    added = ("added", random.Random(8).randbytes(REACH + WINDOW))
    before, after = tarball(members), tarball([added, *members], mtime=1)
    assert size(frames(after, basis(before))) < len(added[1]) * 1.02


def test_a_changed_huge_file_is_compared_with_itself() -> None:
    """A window in the middle of it looks at its old middle."""
    content = random.Random(9).randbytes(12 << 20)
    changed = content[: 6 << 20] + b"changed" + content[6 << 20 :]
    before, after = tarball([("data", content)]), tarball([("data", changed)], mtime=1)
    assert size(frames(after, basis(before))) < len(after) / 200


def test_what_lies_between_changes_is_not_gathered() -> None:
    """Each of many small changes is compared with a part of the old layer, and those parts lie far apart."""
    old = tarball([(f"lib/{at}", NOISE[at * 1000 : at * 1000 + 600_000]) for at in range(200)])
    new = tarball([(f"lib/{at}", NOISE[at * 1000 : at * 1000 + 400]) for at in range(200)])
    against = basis(old)
    tracemalloc.start()
    made = [len(window.prefix) for window in DeltaEncoder(against).feed(new)]
    reached = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(made) > 6 * REACH
    assert reached < 3 * REACH


def test_memory_does_not_grow_with_the_layer() -> None:
    """One window and the range it is compared with, whatever the size of both layers."""

    def peak(megabytes: int) -> int:
        old = tarball([(str(at), NOISE[:50_000]) for at in range(megabytes * 20)])
        windows = DeltaEncoder(basis(old))
        tracemalloc.start()
        for at in range(0, len(old), 1 << 20):
            for window in windows.feed(old[at : at + (1 << 20)]):
                window.frame()
        for window in windows.finish():
            window.frame()
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    assert peak(40) < peak(10) * 1.3
