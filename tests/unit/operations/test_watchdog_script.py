"""The script on a server that ends what runs for an FTL that is gone, on a fake docker."""

from __future__ import annotations

import os
import subprocess
from typing import IO, TYPE_CHECKING

import pytest

from ftl.common.programs import program
from tests.unit.host.scripts.programs import put_programs

if TYPE_CHECKING:
    from pathlib import Path

DOCKER = """#!/bin/sh
echo "$1 $2 $3 $4" >>"$HOME/log"
for last; do :; done
case $1 in
exec) echo "signals $last" >>"$HOME/log"; exit "${WITHOUT_SHELL:-0}" ;;
inspect) echo sha256:proxy ;;
run) echo "signals $last" >>"$HOME/log" ;;
esac
"""


class Watchdog:
    """A watchdog of one kind, which looks away after a second without a heartbeat.

    Its first lines are those of a client without a deploy lock to share.

    Attributes:
        stdin: The heartbeats.
    """

    def __init__(self, home: Path, kind: str, more: str, *, lines: bytes = b"\n\n", **env: str) -> None:
        put_programs(home / "bin", {"docker": DOCKER})
        self._log = home / "log"
        self._log.touch()
        script = program("ftl.locks", "lock_file.sh") + program("ftl.operations", "watchdog.sh")
        self._process = subprocess.Popen(
            ["sh", "-c", script, "ftl-guard", "1", kind, "box", more],
            env={"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        self.stdin: IO[bytes] = self._process.stdin
        self.say(lines)

    def say(self, word: bytes) -> None:
        """Send a word."""
        self.stdin.write(word)
        self.stdin.flush()

    def calls(self, *, closing: bool = False) -> list[str]:
        """The calls of docker until it has ended; its stdin is closed before, or stays open."""
        if closing:
            self.stdin.close()
        self._process.wait(30)
        self.stdin.close()
        return self._log.read_text().splitlines()


@pytest.mark.parametrize("kind", ["run", "detached", "tool", "exec"])
def test_the_last_word_ends_it(tmp_path: Path, kind: str) -> None:
    """What it watched has ended in order."""
    watchdog = Watchdog(tmp_path, kind, "60")
    watchdog.say(b"beat\n")
    watchdog.say(b"done\n")
    assert watchdog.calls() == []


@pytest.mark.parametrize("closing", [True, False])
def test_a_run_goes_when_its_client_is_gone(tmp_path: Path, closing: bool) -> None:
    """The connection is closed, or no heartbeat comes any more; its data goes with it."""
    watchdog = Watchdog(tmp_path, "run", "60")
    watchdog.say(b"beat\n")
    assert watchdog.calls(closing=closing) == ["rm --force --volumes box"]


@pytest.mark.parametrize("closing", [True, False])
def test_a_detached_one_goes_where_it_was_not_started(tmp_path: Path, closing: bool) -> None:
    """Without --force Docker leaves one alone that runs."""
    watchdog = Watchdog(tmp_path, "detached", "0")
    watchdog.say(b"beat\n")
    assert watchdog.calls(closing=closing) == ["rm --volumes box "]


def test_a_run_goes_after_its_time(tmp_path: Path) -> None:
    """Although its client is there."""
    watchdog = Watchdog(tmp_path, "run", "0")
    watchdog.say(b"beat\n")
    assert watchdog.calls() == ["rm --force --volumes box"]


SIGNALS = {"exec": "HUP TERM TERM KILL", "tool": "TERM TERM TERM KILL"}


@pytest.mark.parametrize("kind", SIGNALS)
def test_a_command_is_ended_in_its_container(tmp_path: Path, kind: str) -> None:
    """As a closed terminal does it, or so that a tool cleans up."""
    watchdog = Watchdog(tmp_path, kind, "token")
    assert watchdog.calls(closing=True) == ["exec --user 0 box", f"signals {SIGNALS[kind]}"]


def test_a_container_without_a_shell_is_looked_into_by_the_proxy_s_image(tmp_path: Path) -> None:
    """It shares the processes of the container for that."""
    calls = Watchdog(tmp_path, "exec", "token", WITHOUT_SHELL="126").calls(closing=True)
    assert calls[2:] == [
        "inspect --format {{.Image}} ftl-proxy",
        "run --rm --network none",
        f"signals {SIGNALS['exec']}",
    ]


@pytest.mark.parametrize("closing", [True, False])
@pytest.mark.parametrize("lines", [b"", b"\n", b"0123"])
def test_a_client_that_is_gone_before_its_first_lines_is_one(
    tmp_path: Path, lines: bytes, closing: bool
) -> None:
    """The connection breaks as the session begins; the command may have begun."""
    calls = Watchdog(tmp_path, "run", "60", lines=lines).calls(closing=closing)
    assert calls == ["rm --force --volumes box"]
