"""The script that looks for a watch on the server, among real processes."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ftl.common.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WATCH = ("sh", "-c", "echo runs; sleep 60; :", "ftl-watch", "shop-of-this-test", "r2")
STRANGER, OF_ENGINE = 54_321, 54_322
"""A user and a group that nobody has."""

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@contextmanager
def running(*argv: str, stdin: str = "", **user: Any) -> Iterator[None]:
    """A process that runs meanwhile."""
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, process_group=0, **user) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(stdin)
            process.stdin.close()
            if process.stdout.readline() != "runs\n":
                pytest.skip("it cannot be started here")
            yield
        finally:
            os.killpg(process.pid, 9)


def is_found(socket: Path) -> bool:
    """Whether the script finds the watch."""
    script = program("ftl.operations.views", "watch_runs.sh")
    argv = ("sh", "-c", script, "ftl-status", WATCH[-2], WATCH[-1], str(socket))
    return subprocess.run(argv, check=False, timeout=30).returncode == 0


def test_the_watch_of_the_release_is_found(tmp_path: Path) -> None:
    """And not that of another one, nor one that has ended."""
    assert not is_found(tmp_path)
    with running(*WATCH[:-1], "r3"):
        assert not is_found(tmp_path)
    with running(*WATCH):
        assert is_found(tmp_path)


@AS_ROOT
@pytest.mark.parametrize("groups", [[], [OF_ENGINE]], ids=["stranger", "user-of-the-engine"])
def test_only_a_user_of_the_engine_can_watch(groups: list[int], tmp_path: Path) -> None:
    """Any other user of the server may give a process the same words."""
    socket = tmp_path / "docker.sock"
    socket.touch()
    os.chown(socket, 0, OF_ENGINE)
    with running(*WATCH, user=STRANGER, group=STRANGER, extra_groups=groups, cwd="/"):
        assert is_found(socket) is bool(groups)


@AS_ROOT
def test_a_process_inside_of_a_container_does_not_watch(tmp_path: Path) -> None:
    """There everybody may be root."""
    words = " ".join(f"'{word}'" for word in WATCH)
    with running("unshare", "--pid", "--fork", "sh", stdin=words):
        assert not is_found(tmp_path)
