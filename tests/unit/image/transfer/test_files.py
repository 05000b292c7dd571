"""Layers put together from the engine's own files: byte for byte, or not at all."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import shutil
import tarfile
import tempfile
from base64 import b64encode
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.image.transfer.sources.files import Files
from ftl.image.transfer.sources.source import SourceUnusable
from ftl.image.transfer.sources.tarsplit import PIECE, assembled, entries, length
from tests.unit.image.transfer.engine_folder import digest, install, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl.image.transfer.sources.source import SourceImage

FOLDERS = st.lists(
    st.sampled_from([b"usr", b"lib", b"\xff\xfe", "größe".encode(), b"x" * 120, b'q\n"']), max_size=3
)
NAMES = st.builds(
    lambda folders, name: b"/".join([*folders, name + b".f"]),
    FOLDERS,
    st.sampled_from([b"a", b"b", b"\xe9", b"y" * 200]),
)
BODIES = st.one_of(
    st.just(b""), st.binary(max_size=2000), st.builds(lambda n: b"\0" * n, st.integers(0, 3 * PIECE))
)
KINDS = [
    tarfile.REGTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
]


def tarball(
    members: Mapping[bytes, tuple[bytes, bytes]], layout: int = tarfile.PAX_FORMAT, dot: str = ""
) -> bytes:
    """A tar: name -> kind and content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as archive:
        for name, (kind, body) in members.items():
            info = tarfile.TarInfo(dot + os.fsdecode(name))
            info.type = kind
            if layout == tarfile.PAX_FORMAT:
                info.pax_headers = {"SCHILY.xattr.user.note": "süß" * 40}
            if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
                info.linkname = "../elsewhere/" + "z" * 150
            info.size = len(body) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(body) if info.size else None)
    return out.getvalue()


def layer(**files: bytes) -> bytes:
    """A layer of plain files."""
    return tarball({name.encode(): (tarfile.REGTYPE, body) for name, body in files.items()})


async def read(files: Files, needed: frozenset[str], *, measure: bool = False) -> dict[str, bytes]:
    """All that a source hands out."""
    found: dict[str, bytes] = {}
    async with aclosing(files.layers(needed, measure=measure)) as layers:
        async for one in layers:
            found[one.diff_id] = b"".join([piece async for piece in one.pieces])
            assert len(found[one.diff_id]) == one.size
    return found


def looked_up(root: Path, *wanted: SourceImage) -> Files:
    """The source for these images."""
    files = Files(root, wanted)
    files.look_up()
    return files


@given(
    members=st.dictionaries(NAMES, st.tuples(st.sampled_from(KINDS), BODIES), max_size=6),
    layout=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    dot=st.sampled_from(["", "./", "/"]),
    after=st.binary(max_size=1500),
)
def test_a_tar_comes_back_byte_for_byte(
    members: dict[bytes, tuple[bytes, bytes]], layout: int, dot: str, after: bytes
) -> None:
    """Long names, links, devices, attributes, names that are no text, what follows the end mark."""
    tar = tarball(members, layout, dot) + after
    with tempfile.TemporaryDirectory() as folder:
        record, root = Path(folder, "tar-split.json.gz"), Path(folder, "diff")
        root.mkdir()
        split(tar, record, root)
        pieces = list(assembled(entries(record), root))
        assert b"".join(pieces) == tar
        assert all(PIECE <= len(piece) < 2 * PIECE for piece in pieces[:-1])
        assert length(entries(record)) == len(tar)


def test_only_what_is_needed_is_handed_out(tmp_path: Path) -> None:
    """Of images that share a base, each layer once; the sizes of the others only when they are asked for."""
    base, web, api = layer(base=b"b" * 10_000), layer(web=b"w"), layer(api=b"a")
    images = [
        install(tmp_path, [base, web, base], b'{"web": 1}'),
        install(tmp_path, [base, api], b'{"api": 1}'),
    ]

    files = looked_up(tmp_path, *images)
    assert asyncio.run(read(files, frozenset({digest(api), digest(base)}))) == {
        digest(base): base,
        digest(api): api,
    }
    assert files.sizes == {digest(base): len(base), digest(api): len(api)}
    assert files.configs == {digest(b'{"web": 1}'): b'{"web": 1}', digest(b'{"api": 1}'): b'{"api": 1}'}

    files = looked_up(tmp_path, *images)
    assert asyncio.run(read(files, frozenset(), measure=True)) == {}
    assert files.sizes == {digest(tar): len(tar) for tar in (base, web, api)}


def test_a_layer_of_very_many_entries(tmp_path: Path) -> None:
    """Its record is read twice instead of being held in memory."""
    tar = layer(one=b"1" * 30_000)
    files = looked_up(tmp_path, install(tmp_path, [tar]))
    record = b"".join(b'{"type":2,"payload":"%b"}\n' % b64encode(tar[at : at + 1]) for at in range(len(tar)))
    next(tmp_path.glob("image/*/layerdb/*/*/tar-split.json.gz")).write_bytes(gzip.compress(record))
    assert asyncio.run(read(files, frozenset({digest(tar)}))) == {digest(tar): tar}


def test_a_reader_may_stop_half_way(tmp_path: Path) -> None:
    """What is being read ahead is let go of."""
    tar = layer(large=bytes(5 * PIECE))
    files = looked_up(tmp_path, install(tmp_path, [tar]))

    async def work() -> None:
        async with aclosing(files.layers(frozenset({digest(tar)}), measure=False)) as layers:
            async for one in layers:
                async for _ in one.pieces:
                    break
                break

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    asyncio.run(work())
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# --- what is not as it should be ----------------------------------------------------------------

SECRET = b"the machine's own" * 100


def replaced(app: Path, by: Callable[[Path], None]) -> None:
    """Put something else in a file's place."""
    app.unlink()
    by(app)


def moved(folder: Path) -> None:
    """Put a link in a folder's place that points to where it is now."""
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "changed": lambda app: app.write_bytes(b"x" * len(SECRET)),
    "shortened": lambda app: app.write_bytes(b"x"),
    "gone": lambda app: app.unlink(),
    "a link to a file outside": lambda app: replaced(
        app, lambda at: at.symlink_to(app.parents[4] / "secret")
    ),
    "a folder": lambda app: replaced(app, Path.mkdir),
    "a pipe": lambda app: replaced(app, os.mkfifo),
    "in a folder that was removed": lambda app: shutil.rmtree(app.parents[1]),
    "behind a link": lambda app: moved(app.parent),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_found_out(tmp_path: Path, damage: str) -> None:
    """No link is followed, nothing blocks, and what was changed fails at the end of its layer."""
    (tmp_path / "secret").write_bytes(SECRET)
    tar = tarball({b"srv/app": (tarfile.REGTYPE, SECRET)})
    files = looked_up(tmp_path, install(tmp_path, [tar]))
    DAMAGES[damage](next(tmp_path.glob("overlay2/*/diff/srv/app")))
    with pytest.raises(SourceUnusable):
        asyncio.run(read(files, frozenset({digest(tar)})))


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{",
        b"[]\n",
        b'{"type":3}\n',
        b'{"type":1,"name":"app","size":-1}\n',
        b'{"type":1,"name":"app","size":"1"}\n',
        b'{"type":1,"name":"../../../secret","size":1}\n',
        b'{"type":1,"name":"/","size":1}\n',
        b'{"type":1,"name":"a\\u0000b","size":1}\n',
        b'{"type":2,"payload":"!"}\n',
        b'{"type":2,"payload":"AAAA"}',
    ],
)
def test_a_damaged_record_is_found_out(tmp_path: Path, record: bytes) -> None:
    """Whatever stands in it, nothing but an unfit source comes of it."""
    (tmp_path / "secret").write_bytes(SECRET)
    tar = layer(app=b"1")
    files = looked_up(tmp_path, install(tmp_path, [tar]))
    next(tmp_path.glob("image/*/layerdb/*/*/tar-split.json.gz")).write_bytes(gzip.compress(record))
    with pytest.raises(SourceUnusable):
        asyncio.run(read(files, frozenset({digest(tar)})))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("image/overlay2/imagedb/content/sha256/*", b"{ }"),
        ("image/overlay2/layerdb/sha256/*/diff", b"sha256:00"),
        ("image/overlay2/layerdb/sha256/*/cache-id", b"../../etc"),
        ("image/overlay2/layerdb/sha256/*/cache-id", b"absent"),
        ("image/overlay2/layerdb/sha256/*/tar-split.json.gz", None),
    ],
)
def test_a_folder_that_is_not_as_expected_is_not_used(
    tmp_path: Path, path: str, content: bytes | None
) -> None:
    """Before anything is sent: the next source has its turn at once."""
    image = install(tmp_path, [layer(app=b"1")])
    found = next(tmp_path.glob(path))
    found.unlink()
    if content is not None:
        found.write_bytes(content)
    with pytest.raises(SourceUnusable):
        looked_up(tmp_path, image)
