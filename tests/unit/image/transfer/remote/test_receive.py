"""Tests of the scripts on a server: the archive is made of parts, and layers are cached."""

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

from ftl.image.transfer.delivery.script import link_speed
from ftl.image.transfer.delta.base_layer import BaseLayer, ByteRange
from ftl.image.transfer.delta.encoder import DeltaEncoder
from ftl.image.transfer.delta.members import MemberScanner
from tests.unit.image.transfer.delta.python_apply import apply_delta
from tests.unit.image.transfer.server_home import PATIENCE, Home, name

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd
if TYPE_CHECKING:
    from collections.abc import Callable
from tests.unit.image.transfer.remote.layer_streams import (
    LAYER,
    OLD,
    delta,
    frame,
    line,
    literal,
    raw,
    tarball,
    whole,
)

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed here")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home folder."""
    return Home(tmp_path)


def test_the_link_is_measured_by_the_first_layer(home: Home) -> None:
    """By its first frame, if that is large enough; after a cached layer, bytes have arrived before they are read."""
    small, content = b"small", random.Random(3).randbytes(400_000)
    layers = whole(small) + whole(content, size=300_000) + whole(content[::-1], size=300_000)
    status, output, _ = home.run(layers + line("end"))
    made = small + content + content[::-1]
    assert (status, output[: len(made)]) == (0, made)
    assert link_speed(output[len(made) :].decode()) is not None
    assert output[len(made) :].startswith(b"ftl-link 3000")
    home.cache(OLD)
    sent = line(f"cached {name(OLD)}") + whole(content, size=300_000) + line("end")
    assert home.run(sent) == (0, OLD + content, "")


def test_the_archive_is_made_of_all_kinds_of_parts(home: Home) -> None:
    """Raw bytes, a whole layer, a cached one and a delta, in their order."""
    cached, new = OLD[::-1], OLD[:150_000] + b"changed" + OLD[150_000:]
    home.cache(cached)
    home.cache(OLD)
    sent = raw(b"head") + whole(LAYER) + raw(b"\0\n0\n") + line(f"cached {name(cached)}")
    sent += line(f"base {name(OLD)}") + delta(new, OLD) + raw(b"tail") + line("end")
    status, archive, errors = home.run(sent)
    assert (status, errors) == (0, "")
    assert archive == b"head" + LAYER + b"\0\n0\n" + cached + new + b"tail"
    assert home.cached() == {name(content) for content in (LAYER, cached, OLD, new)}
    for content in (LAYER, new):
        assert zstd.decompress((home.layers / name(content)).read_bytes()) == content


def test_instructions_are_executed(home: Home) -> None:
    """Copies forwards and backwards, a header with another time, and inserted bytes, in several frames."""
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
    sent = frame(copies[:13] + literal(b"new") + copies[13:], old)
    sent += frame(retimed + back + literal(b"end"), old, [ByteRange(0, 512)])
    home.cache(old)
    script = line(f"base {name(old)}") + line(f"delta {name(new)}") + sent + line("0")
    assert home.run(script + raw(b"tail") + line("end")) == (0, new + b"tail", "")
    assert home.cached() == {name(old), name(new)}


def test_a_prefix_that_looks_like_a_dictionary(home: Home) -> None:
    """The zstd command recognises a dictionary by its first bytes."""
    dictionary = (0xEC30A437).to_bytes(4, "little") + random.Random(3).randbytes(20_000)
    filling = random.Random(4).randbytes(1_489_920)  # the next header completes a window
    old = tarball(("trained", dictionary))
    new = tarball(("new", filling), ("trained", dictionary[:10_000] + b"changed" + dictionary[10_000:]))
    encoder = DeltaEncoder(
        BaseLayer(io.BytesIO(old), len(old), {each.name: each for each in MemberScanner().feed(old)})
    )
    frames = [window.compress() for window in [*encoder.feed(new), *encoder.finish()]]
    assert len(apply_delta(frames[:1], old)) == 512 + len(filling) + 512
    sent = b"".join(each.encoded() for each in frames)
    home.cache(old)
    script = line(f"base {name(old)}") + line(f"delta {name(new)}") + sent + line("0") + line("end")
    assert home.run(script, limit=1 << 24) == (0, new, "")


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
def test_perl_ignores_the_users_environment(home: Home, environment: dict[str, str]) -> None:
    """Variables would change how it reads and writes."""
    home.environment |= environment
    home.cache(OLD)
    new = OLD + LAYER
    assert home.run(line(f"base {name(OLD)}") + delta(new, OLD) + line("end")) == (0, new, "")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(struct.pack("<cqL", b"C", 199_000, 2000), id="after-the-end"),
        pytest.param(struct.pack("<cqL", b"C", -1, 10), id="before-the-start"),
        pytest.param(struct.pack("<cq12s", b"H", 199_900, b"0" * 12), id="no-header"),
        pytest.param(b"?", id="unknown"),
    ],
)
def test_invalid_instructions_are_an_error(home: Home, wrong: bytes) -> None:
    """They were made for another base layer; the transfer then sends everything."""
    home.cache(OLD)
    sent = line(f"base {name(OLD)}") + line(f"delta {name(LAYER)}") + frame(wrong, OLD) + line("0")
    _, _, errors = home.run(sent + line("end"))
    assert f"ftl: layer {name(LAYER)} could not be rebuilt from the old one" in errors
    assert home.cached() == {name(OLD)}


def test_bytes_that_are_no_frame_are_an_error(home: Home) -> None:
    """The layer is reported as damaged, and nothing of it is loaded."""
    sent = line(f"whole {name(LAYER)}") + line("5") + b"hello" + line("0") + raw(b"after") + line("end")
    _, archive, errors = home.run(sent)
    assert f"ftl: layer {name(LAYER)} is damaged" in errors
    assert archive == b""
    assert home.cached() == set()


def test_the_error_of_an_engine_that_stops_reading_is_reported(home: Home) -> None:
    """It is not followed by errors of the broken pipe, and no layer counts as damaged."""
    home.cache(LAYER * 4)
    for sent in (whole(LAYER * 4), line(f"cached {name(LAYER * 4)}"), raw(LAYER * 4)):
        status, _, errors = home.run(
            sent + line("end"), "sh", "-c", "head -c 10 >/dev/null; echo full >&2; exit 1"
        )
        assert (status, errors) == (1, "full\n")
    assert name(LAYER * 4) in home.cached()


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_the_engine_does_not_wait_for_compression(home: Home, tmp_path: Path, cut: bool) -> None:
    """A layer made of a delta is compressed for the cache after the archive has ended."""
    tools = tmp_path / "tools"
    tools.mkdir()
    slow = tools / "zstd"
    slow.write_text(f'#!/bin/sh\n[ "$1" = -1qc ] && sleep 1\nexec {shutil.which("zstd")} "$@"\n')
    slow.chmod(0o755)
    home.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    home.cache(OLD)
    new = OLD + LAYER
    sent = line(f"base {name(OLD)}") + delta(new, OLD) + (b"" if cut else line("end"))
    status, archive, errors = home.run(sent, "sh", "-c", f"cat; ls {home.layers} >&2")
    assert (status, archive) == (0, new)
    assert name(new) not in errors
    assert home.cached() == {name(OLD), name(new)}


def test_a_run_leaves_no_temporary_files(home: Home) -> None:
    """Whether it succeeds or fails."""
    home.run(line("end"))
    home.run(whole(LAYER)[:1000])
    assert home.cached() == set()


def test_files_of_killed_runs_are_removed_by_the_next(home: Home) -> None:
    """At once if the process is gone, else after a day; those of a running process stay.

    After a restart of the server, another process may have the number of one that was killed with it.
    """
    ended = subprocess.Popen(["true"])
    ended.wait()
    own = _started(os.getpid())
    for run, process, age in (
        ("dead", f"{ended.pid}-{own}", 0),
        ("another", f"{os.getpid()}-{own + 1}", 0),
        ("alive", f"{os.getpid()}-{own}", 0),
        ("old", f"{os.getpid()}-{own}", 25),
    ):
        folder = home.layers / f".run.{run}"
        folder.mkdir(parents=True)
        (folder / "new").write_bytes(b"half")
        (folder / f"{process}.pid").touch()
        os.utime(folder, (time.time() - age * 3600,) * 2)
    home.run(line("end"))
    assert home.cached() == {".run.alive"}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_the_script_without_leftovers(home: Home, number: signal.Signals) -> None:
    """When the connection is lost, complete layers stay cached, and no part of others."""
    process = home.start("sh", "-c", "cat >/dev/null")
    assert process.stdin is not None
    sent = whole(OLD) + whole(LAYER)
    process.stdin.write(sent[:-1000])
    process.stdin.flush()
    _until(lambda: name(OLD) in home.cached())
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert home.cached() == {name(OLD)}


def test_two_transfers_at_once_do_not_interfere(home: Home) -> None:
    """Two people may deploy the same image to one server at the same time."""
    first = home.start(run="first")
    assert first.stdin is not None
    first.stdin.write(whole(LAYER)[:50_000])
    first.stdin.flush()
    _until(lambda: any(home.layers.glob(".run.first/new")))  # it is running, and does not count as killed
    second = home.start(run="second")
    archive, errors = second.communicate(whole(LAYER) + line("end"), timeout=PATIENCE)
    assert (archive, errors) == (LAYER, b"")
    archive, errors = first.communicate(whole(LAYER)[50_000:] + line("end"), timeout=PATIENCE)
    assert (archive, errors) == (LAYER, b"")
    assert home.cached() == {name(LAYER)}


def _started(pid: int) -> int:
    """When a process was started: field 22 of proc(5)'s stat."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
