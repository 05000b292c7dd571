"""The shell functions that find a server's own processes by their names."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "ftl-own-test"
"""No other process has it; the kernel keeps 15 characters."""

INSIDE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
"""As in a container: a PID namespace below ours."""


def own() -> list[str]:
    """The PIDs that are found, and of other names none."""
    script = program("ftl.common", "scripts/own_processes.sh") + 'own_processes "$@"'
    argv = ("sh", "-c", script, "sh", "ftl-other-test", NAME)
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()


def named() -> set[str]:
    """All processes of the name, wherever they are."""
    found = set()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text() == f"{NAME}\n":
                found.add(comm.parent.name)
        except OSError:
            continue  # it has ended
    return found


@contextmanager
def running(folder: Path, *before: str) -> Iterator[None]:
    """A process of the name, as `before` starts it."""
    program_file = folder / NAME
    if not program_file.exists():
        shutil.copy(shutil.which("sleep") or "", program_file)
    count = len(named())
    with subprocess.Popen((*before, str(program_file), "60")) as process:
        try:
            over = time.monotonic() + 10
            while len(named()) == count:
                assert process.poll() is None
                assert time.monotonic() < over
                time.sleep(0.01)
            yield
        finally:
            process.kill()


def test_a_process_inside_of_a_container_is_not_the_server_s(tmp_path: Path) -> None:
    """Its cron starts nobody's jobs, and its engine is another one."""
    assert own() == []
    with running(tmp_path, *INSIDE):
        inside = named()
        assert own() == []
        with running(tmp_path):
            assert set(own()) == named() - inside
            assert len(own()) == 1
