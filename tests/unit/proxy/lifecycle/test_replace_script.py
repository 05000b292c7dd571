"""The script that replaces the proxy's container, on a docker command that notes its calls."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ftl.common.programs import program
from ftl.proxy.lifecycle.interrupted import LOCK_SECONDS
from ftl.proxy.lifecycle.upgrade import GRACE_SECONDS, SCRIPT_SECONDS, VALIDATE_SECONDS
from tests.unit.host.scripts.programs import put_programs
from tests.unit.locks.real import second_file, take_lock

if TYPE_CHECKING:
    from pathlib import Path

# A container is a file with its name; a running one that serves is in `serving`.
DOCKER = """#!/bin/sh
[ "$1" != --host ] || shift 2
echo "$*" >>"$HOME/calls"
case $1 in
exec) while [ -e "$HOME/slow" ]; do sleep 0.05; done; grep -qx "$2" "$HOME/serving" ;;
inspect) echo 0 ;;
esac
"""
HANGS = """#!/bin/sh
echo $(($(cat "$HOME/clock") + $3)) >"$HOME/clock"
shift 3
case $* in
*exec*) exit 124 ;;
esac
exec "$@"
"""
CLOCK = """#!/bin/sh
cat "$HOME/clock"
"""


class Server:
    """A folder that stands for a server with the proxy 0ld, and its successor 4e3."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.key = secrets.token_hex(32)
        put_programs(home / "bin", {"docker": DOCKER})
        (home / "serving").write_text("4e3\n0ld\n")

    def replace(self) -> subprocess.Popen[bytes]:
        """Start the script, whose input ends at once: its FTL is gone."""
        script = program("ftl.proxy", "scripts/docker.sh") + program("ftl.locks", "lock_file.sh")
        script += program("ftl.proxy", "scripts/replace.sh")
        process = subprocess.Popen(
            ["sh", "-c", script, "ftl-replace", "", "0ld", "4e3", "ftl-proxy", "1", "admin", "run", "hold"],
            env={"HOME": str(self.home), "PATH": f"{self.home}/bin:{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(f"{self.key}\nthe server (replaces the proxy)\n".encode())
        process.stdin.close()
        process.stdin = None
        return process

    @property
    def calls(self) -> list[str]:
        """What was done to containers."""
        calls = (self.home / "calls").read_text().splitlines()
        return [call for call in calls if not call.startswith(("exec", "inspect"))]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server."""
    return Server(tmp_path)


def test_nobody_has_the_lock_until_the_new_proxy_serves(server: Server) -> None:
    """Another deploy would find two containers, and remove the old one: none would be left if the new one fails."""
    (server.home / "slow").touch()
    with server.replace() as process:
        while (found := take_lock(server.key, "look")) == "free":
            time.sleep(0.05)
        assert found == "goes-on the server (replaces the proxy)"
        assert take_lock(server.key) == found
        (server.home / "slow").unlink()
        assert process.wait(20) == 0
    assert take_lock(server.key) == "mine"
    assert server.calls == [
        "rename 0ld ftl-proxy-old",
        "rename 4e3 ftl-proxy",
        "run hold",
        "stop -t 1 0ld",
        "start 4e3",
        "rm --volumes 0ld",
    ]


def test_without_its_lock_nothing_is_replaced(server: Server) -> None:
    """The message names the file."""
    file = second_file(server.key)
    file.touch()
    file.chmod(0o666)
    with server.replace() as process:
        _, errors = process.communicate(timeout=20)
    file.unlink()
    assert (process.returncode, errors.decode()) == (1, f"{file} cannot be locked\n")
    assert server.calls == []


def test_a_new_proxy_that_hangs_gives_way_within_a_minute(server: Server) -> None:
    """By the clock: each question may take its time."""
    put_programs(server.home / "bin", {"timeout": HANGS, "date": CLOCK})
    (server.home / "clock").write_text("1000\n")
    with server.replace() as process:
        assert process.wait(20) == 3
    assert server.calls[-4:] == [
        "rename 4e3 ftl-proxy-failed",
        "rm --force --volumes 4e3",
        "rename 0ld ftl-proxy",
        "start 0ld",
    ]


def limit(pattern: str) -> int:
    """A number of seconds in the script."""
    (number,) = re.findall(pattern, program("ftl.proxy", "scripts/replace.sh"))
    return int(number)


def test_ftl_waits_for_the_script_as_long_as_it_may_take() -> None:
    """A new proxy that does not serve, after an old one that does not stop; others wait for the validation, too."""
    stop = GRACE_SECONDS + limit(r"grace \+ (\d+)\)\) stop")
    tries = limit(r"date \+%s\) \+ (\d+)") + limit(r"docker_within (\d+) exec")
    assert stop + 2 * tries < SCRIPT_SECONDS
    assert SCRIPT_SECONDS + VALIDATE_SECONDS < LOCK_SECONDS
