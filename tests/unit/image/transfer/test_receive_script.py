"""The scripts that run on a server, run here: what comes in makes the archive, and what arrives is kept."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.image.transfer.delta.base_layer import BaseLayer, ByteRange
from ftl.image.transfer.delta.delta import DeltaEncoder
from ftl.image.transfer.delta.members import MemberScanner
from ftl.image.transfer.remote.capabilities import parse_probe
from ftl.image.transfer.remote.scripts import ASK
from tests.unit.image.transfer.differences import made_of
from tests.unit.image.transfer.server_home import PATIENCE, Home, name

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed here")

LAYER = random.Random(1).randbytes(300_000) + b"x" * 50_000
OLD = random.Random(2).randbytes(200_000)


def line(words: str) -> bytes:
    """A line to the script."""
    return f"{words}\n".encode()


def raw(content: bytes) -> bytes:
    """Bytes of the archive as they are."""
    return line(f"raw {len(content)}") + content


def whole(content: bytes, *, cut: int = 100_000, called: str | None = None) -> bytes:
    """A layer in frames of so many bytes."""
    frames = [zstd.compress(content[at : at + cut]) for at in range(0, len(content), cut)]
    told = b"".join(line(str(len(each))) + each for each in frames)
    return line(f"whole {called or name(content)}") + told + line("0")


def difference(content: bytes, old: bytes, window: int = 100_000) -> bytes:
    """A layer in windows, each against two ranges of the old one that begin at another place."""
    told = b""
    for at in range(0, len(content), window):
        known = [ByteRange(at // 7, min(len(old) - at // 7, 120_000)), ByteRange(0, 10)] if at else []
        told += frame(literal(content[at : at + window]), old, known)
    return line(f"delta {name(content)}") + told + line("0")


def frame(instructions: bytes, old: bytes, known: Sequence[ByteRange] = ()) -> bytes:
    """Instructions as they are sent, compressed against these ranges of the old layer."""
    prefix = b"".join(old[part.offset : part.end] for part in known)
    made = zstd.ZstdCompressor(zstd_dict=zstd.ZstdDict(prefix, is_raw=True).as_prefix if prefix else None)
    content = made.compress(instructions, zstd.ZstdCompressor.FLUSH_FRAME)
    return (
        line(" ".join(map(str, [len(content), *(n for part in known for n in (part.offset, part.length))])))
        + content
    )


def tarball(*files: tuple[str, bytes]) -> bytes:
    """A layer of these files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path, content in files:
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def literal(content: bytes) -> bytes:
    """The instruction to take these bytes."""
    return struct.pack("<cL", b"L", len(content)) + content


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty one."""
    return Home(tmp_path)


def test_the_archive_is_made_of_all_kinds_of_parts(home: Home) -> None:
    """Raw bytes, a layer that comes, one that is kept and one that comes as a difference, in their order."""
    kept, new = OLD[::-1], OLD[:150_000] + b"changed" + OLD[150_000:]
    home.keep(kept)
    home.keep(OLD)
    told = raw(b"head") + whole(LAYER) + raw(b"\0\n0\n") + line(f"kept {name(kept)}")
    told += line(f"old {name(OLD)}") + difference(new, OLD) + raw(b"tail") + line("end")
    status, made, said = home.run(told)
    assert (status, said) == (0, "")
    assert made == b"head" + LAYER + b"\0\n0\n" + kept + new + b"tail"
    assert home.kept() == {name(content) for content in (LAYER, kept, OLD, new)}
    for content in (LAYER, new):
        assert zstd.decompress((home.layers / name(content)).read_bytes()) == content


def test_instructions_are_followed(home: Home) -> None:
    """Copies from here and there, a header with another time, and bytes that are new, in frames of their own."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("name")
        info.size, info.mtime = len(OLD), 1
        archive.addfile(info, io.BytesIO(OLD))
        old = file.getvalue()[:512] + OLD
        info.mtime = 1_700_000_000
        header = info.tobuf()
    copies = struct.pack("<cqL", b"C", 1000, 70_000) + struct.pack("<cqL", b"C", -500, 60_000)
    retimed = struct.pack("<cq12s", b"H", 0, header[136:148])
    back = struct.pack("<cqL", b"C", 100, 10)
    new = old[1000:71_000] + b"new" + old[70_500:130_500] + header + old[612:622] + b"end"
    told = frame(copies[:13] + literal(b"new") + copies[13:], old)
    told += frame(retimed + back + literal(b"end"), old, [ByteRange(0, 512)])
    home.keep(old)
    sent = (
        line(f"old {name(old)}") + line(f"delta {name(new)}") + told + line("0") + raw(b"tail") + line("end")
    )
    assert home.run(sent) == (0, new + b"tail", "")
    assert home.kept() == {name(old), name(new)}


def test_a_basis_that_looks_like_a_dictionary(home: Home) -> None:
    """The zstd command goes by the first bytes of what is told to come before a frame."""
    dictionary = (0xEC30A437).to_bytes(4, "little") + random.Random(3).randbytes(20_000)
    filling = random.Random(4).randbytes(1_489_920)  # a window is full with the header that follows
    old = tarball(("trained", dictionary))
    new = tarball(("new", filling), ("trained", dictionary[:10_000] + b"changed" + dictionary[10_000:]))
    windows = DeltaEncoder(
        BaseLayer(io.BytesIO(old), len(old), {each.name: each for each in MemberScanner().feed(old)})
    )
    made = [window.frame() for window in [*windows.feed(new), *windows.finish()]]
    assert len(made_of(made[:1], old)) == 512 + len(filling) + 512
    told = b""
    for each in made:
        ranges = "".join(f" {part.offset} {part.length}" for part in each.basis)
        told += line(f"{len(each.content)}{ranges}") + each.content
    home.keep(old)
    sent = line(f"old {name(old)}") + line(f"delta {name(new)}") + told + line("0") + line("end")
    assert home.run(sent, limit=1 << 24) == (0, new, "")


@pytest.mark.parametrize(
    "environment",
    [
        {"PERL_UNICODE": "SDA"},
        {"PERL_UNICODE": ""},
        {"PERL5OPT": "-C"},
        {"PERL5OPT": "-T"},
        {"PERLIO": ":crlf"},
    ],
    ids=str,
)
def test_perl_does_what_it_does_whatever_the_user_likes(home: Home, environment: dict[str, str]) -> None:
    """Variables change how it reads and writes."""
    home.environment |= environment
    home.keep(OLD)
    new = OLD + LAYER
    assert home.run(line(f"old {name(OLD)}") + difference(new, OLD) + line("end")) == (0, new, "")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(struct.pack("<cqL", b"C", 199_000, 2000), id="behind-the-end"),
        pytest.param(struct.pack("<cqL", b"C", -1, 10), id="before-the-beginning"),
        pytest.param(struct.pack("<cq12s", b"H", 199_900, b"0" * 12), id="no-header"),
        pytest.param(b"?", id="unknown"),
    ],
)
def test_instructions_that_cannot_be_followed_are_an_error(home: Home, wrong: bytes) -> None:
    """The old layer is another one than was thought; the transfer sends everything then."""
    home.keep(OLD)
    told = line(f"old {name(OLD)}") + line(f"delta {name(LAYER)}") + frame(wrong, OLD) + line("0")
    _, _, said = home.run(told + line("end"))
    assert f"ftl: layer {name(LAYER)} could not be made of the old one" in said
    assert home.kept() == {name(OLD)}


def test_what_is_kept_is_for_its_owner_alone(home: Home) -> None:
    """Layers may hold what others on the server must not read."""
    home.run(whole(LAYER) + line("end"))
    assert home.layers.stat().st_mode & 0o077 == 0
    assert (home.layers / name(LAYER)).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "count", [0, 10, 100, 100_085, 150_000, 300_100], ids=lambda count: f"after-{count}-bytes"
)
def test_a_layer_that_is_cut_is_not_kept(home: Home, count: int) -> None:
    """Wherever the stream ends, also between two frames; the layer before it stays."""
    told = whole(OLD) + whole(LAYER)
    assert count < len(whole(LAYER))
    status, made, said = home.run(told[: len(whole(OLD)) + count])
    assert status == 0, "cat is content; docker is not, without the documents at the end"
    assert said.splitlines()[-1].startswith("ftl: ")
    assert made.startswith(OLD)
    assert home.kept() == {name(OLD)}


def test_a_layer_that_lacks_only_its_end_mark_is_not_kept(home: Home) -> None:
    """All frames are there, but nobody has said so: more may have been meant."""
    _, _, said = home.run(whole(LAYER)[: -len("0\n")])
    assert f"ftl: layer {name(LAYER)} did not arrive whole" in said
    assert home.kept() == set()


def test_a_difference_that_is_cut_is_not_kept(home: Home) -> None:
    """Nor may what was put together of it count as the layer."""
    home.keep(OLD)
    told = line(f"old {name(OLD)}") + difference(OLD + LAYER, OLD)
    _, _, said = home.run(told[:-200_000])
    assert f"ftl: layer {name(OLD + LAYER)} could not be made of the old one" in said
    assert home.kept() == {name(OLD)}


def test_bytes_that_are_no_frame_are_an_error(home: Home) -> None:
    """The line may be broken in ways that it does not notice itself."""
    told = line(f"whole {name(LAYER)}") + line("5") + b"hello" + line("0") + raw(b"after") + line("end")
    _, made, said = home.run(told)
    assert f"ftl: layer {name(LAYER)} is damaged" in said
    assert made == b""
    assert home.kept() == set()


@pytest.mark.parametrize("way", ["kept", "old"])
@pytest.mark.parametrize("damage", ["truncated", "garbage", "other", "gone"])
def test_a_kept_layer_that_is_damaged_is_thrown_away(home: Home, way: str, damage: str) -> None:
    """When the engine refuses the archive: what was used and is not what its name says is not trusted again."""
    path, bystander = home.keep(OLD), home.keep(LAYER)
    content = path.read_bytes()
    damaged = {"truncated": content[:-1000], "garbage": b"garbage", "other": zstd.compress(LAYER)}
    path.unlink() if damage == "gone" else path.write_bytes(damaged[damage])
    told = line(f"{way} {name(OLD)}")
    if way == "old":
        told += difference(OLD + b"new", OLD)
    status, _, _ = home.run(told + line("end"), "sh", "-c", "cat >/dev/null; exit 1")
    assert status == 1
    assert home.kept() == {bystander.name}


def test_what_was_good_outlives_a_failure(home: Home) -> None:
    """A layer that arrived and one that was used are kept when the engine fails for a reason of its own."""
    home.keep(OLD)
    told = whole(LAYER) + line(f"kept {name(OLD)}") + line("end")
    status, _, said = home.run(told, "sh", "-c", "cat >/dev/null; echo no coffee >&2; exit 3")
    assert (status, said) == (3, "no coffee\n")
    assert home.kept() == {name(LAYER), name(OLD)}


def test_an_engine_that_stops_reading_has_the_word(home: Home) -> None:
    """Its complaint is not drowned by what that breaks, and no layer is taken for damaged."""
    home.keep(LAYER * 4)
    for told in (whole(LAYER * 4), line(f"kept {name(LAYER * 4)}"), raw(LAYER * 4)):
        status, _, said = home.run(
            told + line("end"), "sh", "-c", "head -c 10 >/dev/null; echo full >&2; exit 1"
        )
        assert (status, said) == (1, "full\n")
    assert name(LAYER * 4) in home.kept()


def test_the_oldest_layers_make_room(home: Home) -> None:
    """What was used last stays; a layer that alone is over the limit goes, and takes no other with it."""
    parts = [random.Random(seed).randbytes(100_000) for seed in range(4)]
    for age, content in enumerate(parts):
        home.keep(content, age=100 + age)
    home.run(line(f"kept {name(parts[3])}") + line("end"), limit=250_000)
    assert home.kept() == {name(parts[3]), name(parts[0])}
    home.run(whole(LAYER) + raw(b"x") + line("end"), limit=250_000)
    assert home.kept() == {name(parts[3]), name(parts[0])}


def test_a_layer_over_the_limit_arrives_all_the_same(home: Home) -> None:
    """It is only not kept, whichever way it came; nor does its copy fill the disk meanwhile."""
    home.keep(OLD)
    new = OLD + LAYER
    told = whole(LAYER) + line(f"old {name(OLD)}") + difference(new, OLD) + line("end")
    watch = f"cat; ls -l {home.layers}/.run.one >&2"
    status, made, said = home.run(told, "sh", "-c", watch, limit=201_000)
    assert (status, made) == (0, LAYER + new)
    assert home.kept() == {name(OLD)}
    assert "new" not in said


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_the_engine_does_not_wait_for_what_is_compressed(home: Home, tmp_path: Path, cut: bool) -> None:
    """A layer that was put together is kept when it is compressed: the archive has long come to its end then."""
    tools = tmp_path / "tools"
    tools.mkdir()
    slow = tools / "zstd"
    slow.write_text(f'#!/bin/sh\n[ "$1" = -1qc ] && sleep 1\nexec {shutil.which("zstd")} "$@"\n')
    slow.chmod(0o755)
    home.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    home.keep(OLD)
    new = OLD + LAYER
    told = line(f"old {name(OLD)}") + difference(new, OLD) + (b"" if cut else line("end"))
    status, made, said = home.run(told, "sh", "-c", f"cat; ls {home.layers} >&2")
    assert (status, made) == (0, new)
    assert name(new) not in said
    assert home.kept() == {name(OLD), name(new)}


def test_a_failed_transfer_keeps_more_than_the_limit(home: Home) -> None:
    """So that the next one need not send it again; that one then tidies up."""
    parts = [random.Random(seed).randbytes(100_000) for seed in range(3)]
    told = b"".join(whole(content) for content in parts)
    home.run(told, "sh", "-c", "cat >/dev/null; exit 1", limit=150_000)
    assert home.kept() == {name(content) for content in parts}
    home.run(line("end"), limit=150_000)
    assert len(home.kept()) == 1


def test_nothing_of_a_run_stays(home: Home) -> None:
    """Neither of one that ends well, nor of one that fails."""
    home.run(line("end"))
    home.run(whole(LAYER)[:1000])
    assert home.kept() == set()


def test_what_killed_runs_left_goes_with_the_next(home: Home) -> None:
    """At once where its process is gone, and after a day at the latest; one that runs keeps what is its own.

    After a restart of the server, another process may have the number of one that was killed with it.
    """
    ended = subprocess.Popen(["true"])
    ended.wait()
    ours = _started(os.getpid())
    for run, process, age in (
        ("dead", f"{ended.pid}-{ours}", 0),
        ("another", f"{os.getpid()}-{ours + 1}", 0),
        ("alive", f"{os.getpid()}-{ours}", 0),
        ("old", f"{os.getpid()}-{ours}", 25),
    ):
        folder = home.layers / f".run.{run}"
        folder.mkdir(parents=True)
        (folder / "new").write_bytes(b"half")
        (folder / f"{process}.pid").touch()
        os.utime(folder, (time.time() - age * 3600,) * 2)
    home.run(line("end"))
    assert home.kept() == {".run.alive"}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing(home: Home, number: signal.Signals) -> None:
    """The connection is lost: what had arrived stays, and no half of what had not."""
    process = home.start("sh", "-c", "cat >/dev/null")
    assert process.stdin is not None
    told = whole(OLD) + whole(LAYER)
    process.stdin.write(told[:-1000])
    process.stdin.flush()
    _until(lambda: name(OLD) in home.kept())
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert home.kept() == {name(OLD)}


def test_two_at_once_do_not_meet(home: Home) -> None:
    """Two people deploy the same image to one server at the same time."""
    first = home.start(run="first")
    assert first.stdin is not None
    first.stdin.write(whole(LAYER)[:50_000])
    first.stdin.flush()
    _until(lambda: any(home.layers.glob(".run.first/new")))  # it is under way, and not taken for killed
    second = home.start(run="second")
    made, said = second.communicate(whole(LAYER) + line("end"), timeout=PATIENCE)
    assert (made, said) == (LAYER, b"")
    made, said = first.communicate(whole(LAYER)[50_000:] + line("end"), timeout=PATIENCE)
    assert (made, said) == (LAYER, b"")
    assert home.kept() == {name(LAYER)}


def test_a_home_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    """The transfer goes on."""
    (tmp_path / ".cache").write_text("not a folder")
    home = Home(tmp_path, {"TMPDIR": str(tmp_path)})
    status, made, said = home.run(whole(LAYER) + raw(b"tail") + line("end"))
    assert (status, made, said) == (0, LAYER + b"tail", "")
    assert [path.name for path in tmp_path.iterdir()] == [".cache"]


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Home]:
    """A home with room for a few kilobytes."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    yield Home(tmp_path)
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_home_keeps_nothing(full: Home) -> None:
    """A layer that finds no room arrives all the same, and its half is not taken for it."""
    small = b"small" * 100
    status, made, said = full.run(whole(LAYER) + whole(small) + raw(b"tail") + line("end"))
    assert (status, made, said) == (0, LAYER + small + b"tail", "")
    assert full.kept() == {name(small)}


def test_a_difference_is_made_where_there_is_no_room_for_its_result(full: Home) -> None:
    """It is only not kept."""
    old = b"o" * 90_000 + random.Random(5).randbytes(10_000)
    new = old + random.Random(6).randbytes(90_000)
    full.keep(old)
    status, made, _ = full.run(line(f"old {name(old)}") + difference(new, old) + line("end"))
    assert (status, made) == (0, new)
    assert full.kept() == {name(old)}


@pytest.mark.parametrize(
    "environment", [{"TIME_STYLE": "long-iso"}, {"LC_ALL": "C.UTF-8"}, {"TIME_STYLE": "+%s"}]
)
def test_layers_are_found_whatever_the_user_likes(home: Home, environment: dict[str, str]) -> None:
    """`ls` tells times in the user's own way; here too the size and the name are read, and the newest comes first."""
    home.keep(OLD, age=10)
    home.keep(LAYER, age=5)
    env = {"PATH": os.environ["PATH"], "HOME": str(home.folder), **environment}
    said = subprocess.run(["sh", "-c", ASK, "sh", "/"], env=env, capture_output=True, check=True).stdout
    depot = parse_probe(said.decode())
    if depot.receives:
        sizes = {layer.size: layer.compressed for layer in depot.kept.values()}
        assert list(sizes) == [len(LAYER), len(OLD)]
        assert sizes[len(OLD)] == (home.layers / name(OLD)).stat().st_size


def _started(pid: int) -> int:
    """When a process was: field 22 of proc(5)'s stat."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
