"""Tools of a database that end with FTL: who ends them, and what they leave."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import signal
import subprocess
import time
from typing import TYPE_CHECKING, cast

import pytest

from ftl.common.programs import program
from ftl.deploy.observe.cluster import observe_fleet
from ftl.errors import FtlError
from ftl.host.backup_folders import BackupFolder
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.databases.backup import back_up
from ftl.operations.databases.dumps import KINDS, StreamEnds
from ftl.operations.databases.load import _hint
from ftl.operations.databases.sources import DumpReader, LocalDump, StoredDump
from ftl.operations.databases.tools import RunningDatabase, ends_with_us, script_text
from ftl.operations.watchdog import Heartbeats
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.host.scripts.programs import put_programs
from tests.unit.locks.real import take_lock
from tests.unit.operations.databases.test_backup import PROJECT, WHOLE, session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftl.engine.api import Engine
    from ftl.ssh.machine import Machine

STORED = StoredDump("db.dump", StreamEnds(size=9), BackupFolder("/var/backups/ftl/shop", "sha256:1"), "shop")


def watched_command(machine: FakeMachine) -> tuple[str, ...]:
    """The command with the token of the watchdog, which looks into the same container."""
    guard = next(command for command in machine.commands if "ftl-guard" in command)
    kind, container, token = guard[-3:]
    assert kind == "tool"
    command = next(command for command in machine.commands if f"FTL_EXEC={token}" in command)
    assert container in command
    return command


@pytest.mark.parametrize("status", [0, 2])
def test_a_dump_has_a_watchdog(status: int, tmp_path: Path) -> None:
    """It hears of the orderly end, and of no other."""
    machine = FakeMachine()
    server = session(machine)
    machine.answers = [
        (("sh detect",), CommandOutput(0, b"mysqldump\n")),
        (("sh mysqldump",), CommandOutput(status, WHOLE["mysqldump"])),
        (("ftl-guard",), CommandOutput(stays=True)),
    ]
    work = back_up(
        Fleet([server]), PROJECT, "db", str(tmp_path / "db.sql"), observe_fleet, lambda _event: None
    )
    if status:
        with pytest.raises(FtlError):
            asyncio.run(work)
    else:
        asyncio.run(work)
    assert "mysqldump" in watched_command(machine)
    said = machine.processes[0].received.replace(b"beat\n", b"")
    assert said == b"\n\n" + (b"" if status else b"done\n")


@pytest.mark.parametrize("dump", [lambda: LocalDump("x", io.BytesIO(b"PGDMP")), lambda: STORED])
def test_a_restore_has_a_watchdog(dump: Callable[[], LocalDump | StoredDump]) -> None:
    """Of a file here, and of one on the server."""

    async def scenario() -> FakeMachine:
        machine = FakeMachine()
        machine.answer("ftl-dump", answer=CommandOutput(stdout=b"ready\n"))
        there = Session("server", cast("Machine", machine), cast("Engine", None), await FakeEngine().info())
        await dump().feed(
            DumpReader(
                RunningDatabase(there, "0123", "db", KINDS["pg_dump"]),
                ["restore.sh", "restore", "pg_dump"],
                lambda _: None,
            )
        )
        return machine

    assert watched_command(asyncio.run(scenario()))[-2:] == ("restore", "pg_dump")


def test_an_error_after_a_sleep_keeps_its_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who ended the tool is one more thing to know, as is what became of the data."""
    monkeypatch.setattr(Heartbeats, "paused", True)

    async def scenario() -> None:
        there = Session(
            "server", cast("Machine", FakeMachine()), cast("Engine", None), await FakeEngine().info()
        )
        with _hint("the data of db is unchanged"):
            async with ends_with_us(there, "0123"):
                raise FtlError("the dump is of another version", hint="use postgres:17")

    with pytest.raises(FtlError) as caught:
        asyncio.run(scenario())
    hints = (caught.value.hint or "").split("; ")
    assert hints[0] == "use postgres:17"
    assert "ended it: no heartbeat from this machine" in hints[1]
    assert hints[2] == "the data of db is unchanged"


PROGRAMS = {
    "redis-cli": '#!/bin/sh\n[ "$1" = --rdb ] && { : >"$HOME/began"; exec sleep 60; }\necho dir; echo "$HOME/data"\n',
    "mktemp": '#!/bin/sh\n: >"$HOME/data/dump" && echo "$HOME/data/dump"\n',
    "cat": '#!/bin/sh\n: >"$HOME/began"; exec sleep 60\n',
}


@pytest.mark.parametrize("argv", [("dump.sh", "redis-cli"), ("restore.sh", "put", "redis-cli", "keep", "9")])
def test_what_a_tool_of_redis_has_written_goes_when_the_watchdog_ends_it(
    argv: tuple[str, ...], tmp_path: Path
) -> None:
    """A shell that a signal ends does not do what it has for its exit."""
    put_programs(tmp_path / "bin", PROGRAMS)
    (tmp_path / "data").mkdir()
    script, *arguments = argv
    with subprocess.Popen(
        ["sh", "-c", script_text(script), "sh", *arguments],
        env={"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while not (tmp_path / "began").exists():
            time.sleep(0.02)
        assert len(list((tmp_path / "data").iterdir())) == 1
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
    assert list((tmp_path / "data").iterdir()) == []


WATCHED_DOCKER = """#!/bin/sh
[ "$1" != --host ] || shift 2
echo "$1" >>"$HOME/calls"
while [ -e "$HOME/slow" ]; do sleep 0.05; done
"""


def guard(home: Path, key: str) -> subprocess.Popen[bytes]:
    """Start the watchdog of a tool; it has said that it is there."""
    put_programs(home / "bin", {"docker": WATCHED_DOCKER})
    script = program("ftl.proxy", "scripts/docker.sh") + program("ftl.locks", "lock_file.sh")
    script += program("ftl.operations", "watchdog.sh")
    process = subprocess.Popen(
        ["sh", "-c", script, "ftl-guard", "", "30", "tool", "0123", "token"],
        env={"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{key}\nthe server (ends the restore of ann)\nbeat\n".encode())
    process.stdin.flush()
    assert process.stdout.readline() == b"ready\n"
    return process


def test_nobody_has_the_lock_while_a_tool_that_restores_ends_without_ftl(tmp_path: Path) -> None:
    """A deploy could replace the container of a database that is half restored, and its volume be written by two."""
    key = secrets.token_hex(32)
    (tmp_path / "slow").touch()
    with guard(tmp_path, key) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert take_lock(key) == "goes-on the server (ends the restore of ann)"
        (tmp_path / "slow").unlink()
        process.wait(20)
    assert (tmp_path / "calls").read_text() == "exec\n"
    assert take_lock(key) == "mine"


def test_the_lock_is_free_as_soon_as_a_tool_has_ended_in_order(tmp_path: Path) -> None:
    """Its watchdog is told so."""
    key = secrets.token_hex(32)
    with guard(tmp_path, key) as process:
        assert process.stdin is not None
        process.stdin.write(b"done\n")
        process.stdin.close()
        assert take_lock(key) == "mine"
