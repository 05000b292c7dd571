"""Tests of the script that removes cached layers of images which the engine no longer has."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ftl.image.transfer.remote.scripts import REMOVE_UNUSED
from tests.unit.image.transfer.remote.layer_streams import LAYER, OLD, delta, line, raw, whole
from tests.unit.image.transfer.server_home import PATIENCE, Home, name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed here")

DOCKER = """\
#!/bin/sh
[ "$1 $2" = "--host unix:///engine.sock" ] || exit 64
while [ -e "$HOME/hangs" ]; do sleep 0.02; done
case "$3 $4" in
  "images --quiet") cat "$HOME/images" ;;
  "image inspect") [ "$7" = sha256:image ] && cat "$HOME/layers" ;;
esac
"""
"""An engine whose images have the layers in a file."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home folder on a server with an engine that has no image."""
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    (tmp_path / "images").write_text("")
    return Home(tmp_path, {"PATH": f"{docker.parent}:{os.environ['PATH']}"})


def has(home: Home, *layers: bytes) -> None:
    """Give the engine an image with these layers."""
    ids = " ".join(f"sha256:{name(layer).partition('-')[0]}" for layer in layers)
    (home.folder / "layers").write_text(f"[{ids}]\n")
    (home.folder / "images").write_text("sha256:image\n")


@contextmanager
def started(home: Home) -> Iterator[None]:
    """Start the script, and wait for what it does in the background at the end."""
    end, inherited = os.pipe()
    argv = ["sh", "-c", REMOVE_UNUSED, "sh", "/engine.sock"]
    env = {"HOME": str(home.folder), **home.environment}
    try:
        done = subprocess.run(
            argv, env=env, pass_fds=[inherited], capture_output=True, check=True, timeout=PATIENCE
        )
    finally:
        os.close(inherited)
    assert (done.stdout, done.stderr) == (b"", b"")
    try:
        yield
        assert os.read(end, 1) == b""
    finally:
        os.close(end)


def forget(home: Home) -> set[str]:
    """Run the script to its end: the layers that are left."""
    with started(home):
        pass
    return home.cached()


def aged(home: Home, *layers: bytes) -> None:
    """Let a minute pass since the last use of these layers."""
    for layer in layers:
        os.utime(home.layers / name(layer), (time.time() - 60,) * 2)


def test_layers_leave_with_the_last_image_that_has_them(home: Home) -> None:
    """Those that arrived whole; an engine without any image has none of them."""
    home.run(whole(OLD) + whole(LAYER) + line("end"))
    has(home, OLD, LAYER)
    assert forget(home) == {name(OLD), name(LAYER)}
    has(home, LAYER)
    assert forget(home) == {name(LAYER)}
    (home.folder / "images").write_text("")
    assert forget(home) == set()


def test_layers_of_a_delta_leave_too(home: Home) -> None:
    """The base, also one that an older FTL cached, and what was made of it."""
    home.cache(OLD)
    home.run(line(f"base {name(OLD)}") + delta(OLD + LAYER, OLD) + line("end"))
    assert home.cached() == {name(OLD), name(OLD + LAYER)}
    assert forget(home) == set()


def test_layers_of_a_transfer_that_was_cut_stay(home: Home) -> None:
    """No image has had them yet; once the transfer was resumed, they leave like all others."""
    home.run(whole(OLD) + whole(LAYER), "sh", "-c", "cat >/dev/null; exit 1")
    assert forget(home) == {name(OLD), name(LAYER)}
    home.run(line(f"cached {name(OLD)}") + line("end"))
    assert forget(home) == {name(LAYER)}


def test_what_a_running_transfer_uses_stays(home: Home) -> None:
    """A layer of an image that went meanwhile, and what arrives; others leave all the same."""
    home.run(whole(OLD) + whole(LAYER) + line("end"))
    aged(home, OLD, LAYER)
    with home.start(run="two") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(line(f"cached {name(OLD)}") + raw(b"read"))
        running.stdin.flush()
        assert running.stdout.read(len(OLD) + 4) == OLD + b"read"
        assert forget(home) == {name(OLD), ".run.two"}
        running.stdin.write(line("end"))
    assert forget(home) == set()


@pytest.mark.parametrize("call", ["images--quiet", "imageinspect"])
def test_without_an_answer_all_stay(home: Home, call: str) -> None:
    """Also where it has but a part of the images."""
    home.run(whole(OLD) + whole(LAYER) + line("end"))
    has(home, LAYER)
    (home.folder / "bin/docker").write_text(f'{DOCKER}[ "$3$4" != "{call}" ]\n')
    assert forget(home) == {name(OLD), name(LAYER)}


def test_nothing_waits_for_it(home: Home) -> None:
    """An engine that answers late delays no deploy."""
    home.run(whole(OLD) + line("end"))
    hangs = home.folder / "hangs"
    hangs.touch()
    with started(home):
        assert home.cached() == {name(OLD)}
        hangs.unlink()
    assert home.cached() == set()


def test_a_server_without_a_cache_is_left_alone(home: Home) -> None:
    """No folder is made."""
    assert forget(home) == set()
    assert not home.layers.exists()
