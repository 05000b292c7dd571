"""The script that replaces the data by a restored dump, on a fake docker with real locks."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ftl.common.programs import program
from ftl.operations.databases.load import REPLACE_SECONDS, UNCHANGED
from tests.unit.host.scripts.programs import put_programs
from tests.unit.locks.real import lock_file, second_file, take_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DOCKER = """#!/bin/sh
[ "$1" != --host ] || shift 2
echo "$1 $(eval "echo \\${$#}")" >>"$HOME/calls"
case "$1" in
exec)
    while [ -e "$HOME/slow" ]; do sleep 0.05; done
    exit "$(cat "$HOME/status")"
    ;;
inspect) cat "$HOME/running" ;;
esac
"""
SOCKET = "/nowhere/docker.sock"
SECONDS = 10.0
HOLDER = "the server (ends the restore of ann)"


class Server:
    """A folder that stands for a server, and the file of a deploy lock there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.key = secrets.token_hex(32)
        (home / "bin").mkdir()
        (home / "bin/docker").write_text(DOCKER)
        (home / "bin/docker").chmod(0o755)
        (home / "status").write_text("0")
        (home / "running").write_text("true\n")
        self.lock, self.second = lock_file(self.key, SOCKET), second_file(self.key, SOCKET)

    def _start(self, script: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["sh", "-c", script, *arguments],
            env={"HOME": str(self.home), "PATH": f"{self.home}/bin:{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def take_lock(self) -> subprocess.Popen[bytes]:
        """Take the deploy lock, as FTL does."""
        holder = self._start(program("ftl.locks", "lock_file.sh", "lock.sh"), "lock", "take", SOCKET, "30")
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(f"{self.key}\nshop\nanna (restore)\n".encode())
        holder.stdin.flush()
        assert holder.stdout.readline() == b"mine\n"
        return holder

    def replace(self, tool: str = "redis-cli", *, key: str | None = None) -> subprocess.Popen[bytes]:
        """Start the script."""
        script = program("ftl.proxy", "scripts/docker.sh") + program("ftl.locks", "lock_file.sh")
        script += program("ftl.operations.databases", "replace.sh")
        process = self._start(script, "replace", SOCKET, "0123456789ab", "restore", tool, "keep", "before")
        assert process.stdin is not None
        process.stdin.write(f"{self.key if key is None else key}\n{HOLDER}\n".encode())
        process.stdin.flush()
        return process

    def answer(self) -> str:
        """What a deploy is told, seconds later at most: processes take a moment to end."""
        return take_lock(self.key, socket=SOCKET)

    @property
    def calls(self) -> Sequence[str]:
        """Its calls of docker: the command and the last argument."""
        return (self.home / "calls").read_text().splitlines() if (self.home / "calls").exists() else []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server."""
    made = Server(tmp_path)
    yield made
    made.lock.unlink(missing_ok=True)
    made.second.unlink(missing_ok=True)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Its exit status and stderr."""
    _, errors = process.communicate(timeout=SECONDS)
    return process.returncode, errors


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and wait until its children have ended: they have its stderr."""
    process.kill()
    process.communicate(timeout=SECONDS)


def until(server: Server, call: str) -> None:
    """Wait for a call of docker."""
    deadline = time.monotonic() + SECONDS
    while call not in server.calls:
        assert time.monotonic() < deadline, server.calls
        time.sleep(0.02)


@pytest.mark.parametrize(("tool", "restarts"), [("redis-cli", 1), ("pg_dump", 0)])
def test_redis_is_restarted_once_the_dump_has_its_place(server: Server, tool: str, restarts: int) -> None:
    """The lock stays our client's."""
    with server.take_lock() as holder:
        assert ended(server.replace(tool)) == (0, b"")
        assert server.calls.count("restart 0123456789ab") == restarts
        assert server.answer() == "held anna (restore)"
        holder.kill()
    assert server.answer() == "mine"


def test_the_script_holds_on_when_ftl_is_gone(server: Server) -> None:
    """Otherwise a deploy could replace the container, and the restart would start the old one beside the new one."""
    (server.home / "slow").touch()
    with server.take_lock() as holder:
        replacing = server.replace()
        until(server, "exec before")
        end(holder)
    assert server.answer() == f"goes-on {HOLDER}"
    (server.home / "slow").unlink()
    assert ended(replacing) == (0, b"")
    assert server.calls[-1] == "restart 0123456789ab"
    assert server.answer() == "mine"


def test_a_throwaway_needs_no_lock(server: Server) -> None:
    """Nor does a database on another server than that of the lock."""
    (server.home / "slow").touch()
    replacing = server.replace(key="")
    until(server, "exec before")
    assert server.answer() == "mine"
    (server.home / "slow").unlink()
    assert ended(replacing) == (0, b"")


def test_without_its_lock_nothing_is_replaced(server: Server) -> None:
    """The data is unchanged, and the message names the file."""
    server.second.touch()
    server.second.chmod(0o666)
    assert ended(server.replace()) == (UNCHANGED, f"{server.second} cannot be locked\n".encode())
    assert server.calls == []


def test_where_an_engine_that_hangs_was_is_not_known(server: Server) -> None:
    """The script ends all the same, and does not say that the data is unchanged."""
    put_programs(server.home / "bin", {"timeout": '#!/bin/sh\necho "$3" >"$HOME/limit"\nexit 124\n'})
    assert ended(server.replace())[0] == 1
    assert (server.home / "limit").read_text() == "900\n"


def test_a_container_that_was_stopped_is_not_started(server: Server) -> None:
    """By a deploy that has replaced it, for example; that of a container which is gone says as much."""
    for running in ("false\n", ""):
        (server.home / "running").write_text(running)
        assert ended(server.replace()) == (1, b"its container was stopped meanwhile\n")
    assert not any(call.startswith("restart") for call in server.calls)


@pytest.mark.parametrize(("status", "reported"), [(1, UNCHANGED), (137, 1)])
def test_a_status_says_whether_the_data_is_unchanged(server: Server, status: int, reported: int) -> None:
    """What was killed may have changed it."""
    (server.home / "status").write_text(str(status))
    assert ended(server.replace())[0] == reported
    assert not any(call.startswith("restart") for call in server.calls)


def test_ftl_waits_for_the_script_as_long_as_it_may_take() -> None:
    """Redis saves, is asked whether it still runs, and starts again."""
    limits = re.findall(r"docker_within (\d+)", program("ftl.operations.databases", "replace.sh"))
    one_answer = 60
    assert sum(map(int, limits)) + one_answer < REPLACE_SECONDS
