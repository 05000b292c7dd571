"""Tests of the scripts on a server: what they keep of layers, and for how long."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftl.image.transfer.remote.capabilities import parse_probe
from ftl.image.transfer.remote.scripts import PROBE
from tests.unit.image.transfer.server_home import Home, name

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
from tests.unit.image.transfer.remote.layer_streams import LAYER, OLD, delta, line, raw, whole

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed here")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home folder."""
    return Home(tmp_path)


def test_the_cache_is_private(home: Home) -> None:
    """Layers may contain what other users of the server must not read."""
    home.run(whole(LAYER) + line("end"))
    assert home.layers.stat().st_mode & 0o077 == 0
    assert (home.layers / name(LAYER)).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "count", [0, 10, 100, 100_085, 150_000, 300_100], ids=lambda count: f"after-{count}-bytes"
)
def test_a_truncated_layer_is_not_cached(home: Home, count: int) -> None:
    """Wherever the stream ends, also between two frames; the layer before it stays."""
    sent = whole(OLD) + whole(LAYER)
    assert count < len(whole(LAYER))
    status, archive, errors = home.run(sent[: len(whole(OLD)) + count])
    assert status == 0, "cat succeeds; docker load would fail without the documents at the end"
    assert errors.splitlines()[-1].startswith("ftl: ")
    assert archive.startswith(OLD)
    assert home.cached() == {name(OLD)}


def test_a_layer_without_its_end_mark_is_not_cached(home: Home) -> None:
    """All frames have arrived, but more might have followed."""
    _, _, errors = home.run(whole(LAYER)[: -len("0\n")])
    assert f"ftl: layer {name(LAYER)} arrived incomplete" in errors
    assert home.cached() == set()


def test_a_truncated_delta_is_not_cached(home: Home) -> None:
    """What was made of its first frames does not count as the layer."""
    home.cache(OLD)
    sent = line(f"base {name(OLD)}") + delta(OLD + LAYER, OLD)
    _, _, errors = home.run(sent[:-200_000])
    assert f"ftl: layer {name(OLD + LAYER)} could not be rebuilt from the old one" in errors
    assert home.cached() == {name(OLD)}


@pytest.mark.parametrize("verb", ["cached", "base"])
@pytest.mark.parametrize("damage", ["truncated", "garbage", "other", "gone"])
def test_a_damaged_layer_is_removed_from_the_cache(home: Home, verb: str, damage: str) -> None:
    """When the engine refuses the archive, layers that were used and do not have their digest are removed."""
    path, unused = home.cache(OLD), home.cache(LAYER)
    content = path.read_bytes()
    damaged = {"truncated": content[:-1000], "garbage": b"garbage", "other": zstd.compress(LAYER)}
    path.unlink() if damage == "gone" else path.write_bytes(damaged[damage])
    sent = line(f"{verb} {name(OLD)}")
    if verb == "base":
        sent += delta(OLD + b"new", OLD)
    status, _, _ = home.run(sent + line("end"), "sh", "-c", "cat >/dev/null; exit 1")
    assert status == 1
    assert home.cached() == {unused.name}


def test_intact_layers_stay_cached_after_a_failure(home: Home) -> None:
    """Both one that arrived and one that was used, when the engine fails for another reason."""
    home.cache(OLD)
    sent = whole(LAYER) + line(f"cached {name(OLD)}") + line("end")
    status, _, errors = home.run(sent, "sh", "-c", "cat >/dev/null; echo no coffee >&2; exit 3")
    assert (status, errors) == (3, "no coffee\n")
    assert home.cached() == {name(LAYER), name(OLD)}


def test_the_least_recently_used_layers_are_evicted(home: Home) -> None:
    """A layer that alone exceeds the limit is removed, and no other with it."""
    parts = [random.Random(seed).randbytes(100_000) for seed in range(4)]
    for age, content in enumerate(parts):
        home.cache(content, age=100 + age)
    home.run(line(f"cached {name(parts[3])}") + line("end"), limit=250_000)
    assert home.cached() == {name(parts[3]), name(parts[0])}
    home.run(whole(LAYER) + raw(b"x") + line("end"), limit=250_000)
    assert home.cached() == {name(parts[3]), name(parts[0])}


def test_a_layer_over_the_limit_is_loaded_all_the_same(home: Home) -> None:
    """It is only not cached, whole or as a delta; nor does its copy fill the disk meanwhile."""
    home.cache(OLD)
    new = OLD + LAYER
    sent = whole(LAYER) + line(f"base {name(OLD)}") + delta(new, OLD) + line("end")
    command = f"cat; ls -l {home.layers}/.run.one >&2"
    status, archive, errors = home.run(sent, "sh", "-c", command, limit=201_000)
    assert (status, archive) == (0, LAYER + new)
    assert home.cached() == {name(OLD)}
    assert "new" not in errors


def test_a_failed_transfer_caches_more_than_the_limit(home: Home) -> None:
    """So that the next one need not send it again, which then evicts the rest."""
    parts = [random.Random(seed).randbytes(100_000) for seed in range(3)]
    sent = b"".join(whole(content) for content in parts)
    home.run(sent, "sh", "-c", "cat >/dev/null; exit 1", limit=150_000)
    assert home.cached() == {name(content) for content in parts}
    home.run(line("end"), limit=150_000)
    assert len(home.cached()) == 1


def test_a_read_only_home_costs_only_the_cache(tmp_path: Path) -> None:
    """The transfer succeeds without it."""
    (tmp_path / ".cache").write_text("not a folder")
    home = Home(tmp_path, {"TMPDIR": str(tmp_path)})
    status, archive, errors = home.run(whole(LAYER) + raw(b"tail") + line("end"))
    assert (status, archive, errors) == (0, LAYER + b"tail", "")
    assert [path.name for path in tmp_path.iterdir()] == [".cache"]


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Home]:
    """A home folder on a disk of a few kilobytes."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    yield Home(tmp_path)
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_costs_only_the_cache(full: Home) -> None:
    """A layer without space in the cache is loaded all the same, and its part is not cached."""
    small = b"small" * 100
    status, archive, errors = full.run(whole(LAYER) + whole(small) + raw(b"tail") + line("end"))
    assert (status, archive, errors) == (0, LAYER + small + b"tail", "")
    assert full.cached() == {name(small)}


def test_a_delta_is_applied_without_space_for_its_result(full: Home) -> None:
    """The layer is only not cached."""
    old = b"o" * 90_000 + random.Random(5).randbytes(10_000)
    new = old + random.Random(6).randbytes(90_000)
    full.cache(old)
    status, archive, _ = full.run(line(f"base {name(old)}") + delta(new, old) + line("end"))
    assert (status, archive) == (0, new)
    assert full.cached() == {name(old)}


@pytest.mark.parametrize(
    "environment", [{"TIME_STYLE": "long-iso"}, {"LC_ALL": "C.UTF-8"}, {"TIME_STYLE": "+%s"}]
)
def test_the_probe_finds_layers_in_any_environment(home: Home, environment: dict[str, str]) -> None:
    """`ls` prints times as the user likes; size and name are parsed all the same, the newest layer first."""
    home.cache(OLD, age=10)
    home.cache(LAYER, age=5)
    env = {"PATH": os.environ["PATH"], "HOME": str(home.folder), **environment}
    done = subprocess.run(["sh", "-c", PROBE, "sh", "/"], env=env, capture_output=True, check=True)
    capabilities = parse_probe(done.stdout.decode())
    if capabilities.can_receive:
        sizes = {layer.size: layer.compressed_size for layer in capabilities.cached.values()}
        assert list(sizes) == [len(LAYER), len(OLD)]
        assert sizes[len(OLD)] == (home.layers / name(OLD)).stat().st_size
