"""The script that gives a database a backup of the server, on a fake docker."""

from __future__ import annotations

import base64
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
case "$1" in
run)
    for file; do :; done
    echo "$*" >>"$HOME/calls"
    [ ! -e "$HOME/slow" ] || { echo $$ >"$HOME/reading"; exec sleep 60; }
    exec cat "$HOME/$file"
    ;;
rm)
    echo "$*" >>"$HOME/calls"
    kill "$(cat "$HOME/reading")"
    ;;
exec)
    cat >"$HOME/restored"
    [ ! -e "$HOME/fails" ] || { echo 'pg_restore: not an archive' >&2; exit 3; }
    echo noise
    ;;
esac
"""


class Server:
    """A folder that stands for a server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "bin").mkdir()
        (home / "bin/docker").write_text(DOCKER)
        (home / "bin/docker").chmod(0o755)
        (home / "db.dump").write_bytes(b"PGDMP\0data")

    def start(self, file: str = "db.dump", head: bytes = b"", padding: int = 0) -> subprocess.Popen[bytes]:
        """Start the script; its stdin stays open."""
        script = program("ftl.proxy", "scripts/docker.sh") + program("ftl.operations.databases", "feed.sh")
        given = ("reader", "folder", "image", file, base64.b64encode(head).decode(), str(padding))
        return subprocess.Popen(
            ["sh", "-c", script, "ftl-dump", "/run/docker.sock", *given, "exec", "-i", "db"],
            env={"HOME": str(self.home), "PATH": f"{self.home}/bin:{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

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
    done = status, script.stdout.read(), script.stderr.read()
    assert script.stdin is not None
    for stream in (script.stdin, script.stdout, script.stderr):
        stream.close()
    return done


def test_a_command_gets_the_backup_and_what_is_around_it(server: Server) -> None:
    """Byte by byte; the reader cannot write to the folder."""
    assert ended(server.start()) == (0, b"", b"")
    assert server.restored == b"PGDMP\0data"
    assert "--name reader" in (server.home / "calls").read_text()
    assert "--volumes-from folder:ro" in (server.home / "calls").read_text()
    assert ended(server.start(head=b"\0head", padding=3)) == (0, b"", b"")
    assert server.restored == b"\0headPGDMP\0data\0\0\0"


def test_a_backup_that_is_not_read_to_its_end_is_an_error(server: Server) -> None:
    """Also where the command is content with a part."""
    status, _, text = ended(server.start("gone.dump"))
    assert (status, b"gone.dump could not be read to its end" in text) == (1, True)


def test_a_command_that_fails_says_why(server: Server) -> None:
    """And nothing of the backup."""
    (server.home / "fails").touch()
    assert ended(server.start()) == (1, b"", b"pg_restore: not an archive\n")


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
    assert "rm --force reader" in (server.home / "calls").read_text()
    assert server.restored == b""
    for stream in (script.stdout, script.stderr):
        assert stream is not None
        stream.close()
