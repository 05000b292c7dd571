"""The script that gives a database a backup of the server, on a fake docker."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ftl.common.programs import program

if TYPE_CHECKING:
    from pathlib import Path

DOCKER = """#!/bin/sh
[ "$1" != --host ] || shift 2
echo "$*" | tr '\\n' ' ' >>"$HOME/calls"
echo >>"$HOME/calls"
case "$1" in
create)
    [ ! -e "$HOME/slow-create" ] || sleep 0.5
    while [ "$1" != -c ]; do shift; done
    printf '%s\\n' "$4" >"$HOME/file"
    printf '%s\\n' "$2" | sed 's,/backups,$HOME,' >"$HOME/container"
    echo 0123456789ab
    ;;
start)
    [ -e "$HOME/container" ] || { echo 'No such container: reader' >&2; exit 1; }
    [ ! -e "$HOME/slow" ] || { echo $$ >"$HOME/reading"; exec sleep 60; }
    exec sh "$HOME/container" "$(cat "$HOME/file")"
    ;;
rm)
    rm -f "$HOME/container"
    [ ! -e "$HOME/reading" ] || kill "$(cat "$HOME/reading")"
    ;;
exec)
    cat >"$HOME/restored"
    [ ! -e "$HOME/fails" ] || { echo 'pg_restore: not an archive' >&2; exit 3; }
    echo noise
    ;;
esac
"""
MOUNT = 'type=bind,"source=/var/backups/ftl/shop",target=/backups,readonly'


class Server:
    """A folder that stands for a server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "bin").mkdir()
        (home / "bin/docker").write_text(DOCKER)
        (home / "bin/docker").chmod(0o755)
        (home / "db.dump").write_bytes(b"PGDMP\0data")

    def start(self, file: str = "db.dump", *, client: bool = True) -> subprocess.Popen[bytes]:
        """Start the script, and let it go on; its stdin stays open."""
        script = program("ftl.proxy", "scripts/docker.sh") + program("ftl.operations.databases", "feed.sh")
        given = ("reader", "shop", MOUNT, "image", file)
        process = subprocess.Popen(
            ["sh", "-c", script, "ftl-dump", "/run/docker.sock", *given, "exec", "-i", "db"],
            env={"HOME": str(self.home), "PATH": f"{self.home}/bin:{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if client:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.stdin.write(b"go\n")
            process.stdin.flush()
        return process

    @property
    def restored(self) -> bytes:
        """What the command got."""
        return (self.home / "restored").read_bytes()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server with a backup."""
    return Server(tmp_path)


def ended(script: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """Its exit status, stdout and stderr; its stdin is closed only then."""
    status = script.wait(60)
    assert script.stdout is not None
    assert script.stderr is not None
    lines = [line for line in script.stderr.readlines() if not line.startswith(b"ftl-read ")]
    done = status, script.stdout.read(), b"".join(lines)
    assert script.stdin is not None
    for stream in (script.stdin, script.stdout, script.stderr):
        stream.close()
    return done


def test_a_command_gets_the_backup(server: Server) -> None:
    """Byte by byte; the reader cannot write to the folder."""
    assert ended(server.start()) == (0, b"", b"")
    assert server.restored == b"PGDMP\0data"
    calls = (server.home / "calls").read_text()
    assert f"--mount {MOUNT}" in calls
    assert "--label ftl.project=shop" in calls
    assert calls.splitlines()[-1].strip() == "rm --force --volumes reader"


def test_a_backup_that_is_not_read_to_its_end_is_an_error(server: Server) -> None:
    """Also where the command is content with a part."""
    status, _, text = ended(server.start("gone.dump"))
    assert (status, b"gone.dump could not be read to its end" in text) == (1, True)


def test_a_command_that_fails_says_why(server: Server) -> None:
    """And nothing of the backup."""
    (server.home / "fails").touch()
    assert ended(server.start()) == (1, b"", b"pg_restore: not an archive\n")


def test_it_says_how_far_the_backup_is_read(server: Server) -> None:
    """By the position of the file; that it is read to its end is always said."""
    (server.home / "db.dump").write_bytes(b"PGDMP" + bytes(100_000))
    script = server.start()
    assert script.stderr is not None
    said = [line for line in script.stderr if line.startswith(b"ftl-read ")]
    assert script.wait(60) == 0
    assert said[-1] == b"ftl-read 100005\n"
    assert all(int(line.split()[1]) <= 100_005 for line in said)
    ended(script)


def test_when_ftl_is_gone_before_the_reader_is_there_nothing_is_restored(server: Server) -> None:
    """The reader is made, and removed again: it is started for a client that has seen that it is there."""
    (server.home / "slow-create").touch()
    script = server.start(client=False)
    assert script.stdin is not None
    script.stdin.close()
    assert script.wait(60) == 1
    calls = [line.split()[0] for line in (server.home / "calls").read_text().splitlines()]
    assert calls == ["create", "rm"]
    assert not (server.home / "restored").exists()
    for stream in (script.stdout, script.stderr):
        assert stream is not None
        stream.close()


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02, 0.05])
def test_whenever_ftl_goes_the_backup_is_restored_whole_or_the_script_fails(
    server: Server, delay: float
) -> None:
    """And the reader is gone."""
    script = server.start()
    time.sleep(delay)
    assert script.stdin is not None
    script.stdin.close()
    status = script.wait(60)
    assert status in {0, 1}
    assert status == 1 or server.restored == b"PGDMP\0data"
    assert not (server.home / "container").exists()
    for stream in (script.stdout, script.stderr):
        assert stream is not None
        stream.close()


def test_when_ftl_is_gone_the_command_ends_as_one_whose_stream_is_cut(server: Server) -> None:
    """Its stdin ends then; the reader is removed."""
    (server.home / "slow").touch()
    script = server.start()
    deadline = time.monotonic() + 60
    while not (server.home / "reading").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert script.stdin is not None
    script.stdin.close()
    assert script.wait(60) == 1
    assert "rm --force --volumes reader" in (server.home / "calls").read_text()
    assert server.restored == b""
    for stream in (script.stdout, script.stderr):
        assert stream is not None
        stream.close()
