"""Restores that write over the data: what is kept before, and what a failure leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError, ServerError
from ftl.events import Note
from ftl.host.backup_folders import BackupFolder
from ftl.operations.databases.dumps import StreamEnds
from ftl.operations.databases.sources import StoredDump
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.operations.databases.test_backup import session
from tests.unit.operations.databases.test_restore import DatabaseServer

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.child import Completed

KEPT = b"-- MySQL dump 10.13\n" + b"before" * 300 + b"\n-- Dump completed on 2026-01-31\n"
TOOLS = {
    "mysqldump": b"-- MySQL dump 10.13\nUSE `shop`;\nnonsense\n-- Dump completed on 2026-01-31\n",
    "mongodump": b"\x6d\xe2\x99\x81" + b"x" * 600 + b"\xff\xff\xff\xff",
}
KEEPS = {"mysqldump": KEPT, "mongodump": b"\x6d\xe2\x99\x81" + b"before" * 300 + b"\xff\xff\xff\xff"}
ERROR = CommandOutput(1, stderr=b"ERROR 1064 (42000) at line 3: You have an error in your SQL syntax")


class Turns(FakeMachine):
    """A server whose restores end one after the other like these.

    Attributes:
        stops: Called when the first begins.
        accepts: What it says, one after the other, when it is asked whether it can be restored; then that it can.
    """

    def __init__(self, *outcomes: CommandOutput) -> None:
        super().__init__()
        self.outcomes = list(outcomes)
        self.stops: asyncio.Task[object] | None = None
        self.accepts: list[CommandOutput] = []

    async def start(self, argv: Sequence[str]) -> Process:
        """Start one."""
        if " sh restore " in " ".join(argv):
            self.answer(" sh restore ", answer=replace(self.outcomes.pop(0), stays=True))  # until it has all
            if self.stops is not None:
                self.stops.cancel()
        return await super().start(argv)

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Answer whether it can be restored."""
        if " sh accepts " in " ".join(argv):
            self.answer(" sh accepts ", answer=self.accepts.pop(0) if self.accepts else CommandOutput())
        return await super().run(argv, stdin=stdin, timeout=timeout)

    @property
    def fed(self) -> list[bytes]:
        """What each restore has read."""
        return [
            one.received
            for one in self.processes
            if b"dump 10.13" in one.received or b"\x6d\xe2" in one.received
        ]


def stage(tmp_path: Path, tool: str, *outcomes: CommandOutput) -> tuple[DatabaseServer, Turns]:
    """A server whose restores end like these."""
    server = DatabaseServer(tmp_path, tool, TOOLS[tool])
    machine = Turns(*outcomes)
    machine.answers = server.machine.answers
    server.machine = machine
    machine.answer(f"sh {tool}", answer=CommandOutput(0, KEEPS[tool]))
    machine.answer("sh databases", answer=CommandOutput(0, b"shop\nother\n"))
    machine.answer("sh schemas", answer=CommandOutput(0, b"other\nshop\n"))
    return server, machine


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of backups."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/ftl/backups/shop"


def failed(server: DatabaseServer, kind: type[FtlError] = FtlError) -> FtlError:
    """Restore, which fails."""
    with pytest.raises(kind) as caught:
        asyncio.run(server.restore())
    return caught.value


@pytest.mark.parametrize("tool", TOOLS)
def test_a_restore_that_fails_puts_the_state_before_back(tmp_path: Path, tool: str, state: Path) -> None:
    """The error is the first one, and says which state there is."""
    server, machine = stage(tmp_path, tool, ERROR, CommandOutput())
    error = failed(server)
    (kept,) = state.iterdir()
    assert machine.fed == [TOOLS[tool], KEEPS[tool]]
    assert kept.read_bytes() == KEEPS[tool]
    assert (error.message, "ERROR 1064" in (error.cause or "")) == ("the restore of db failed", True)
    assert error.hint == f"the data of db has its previous state again (from {kept})"


def test_a_database_that_was_dropped_is_made_anew(tmp_path: Path, state: Path) -> None:
    """There is nothing to keep of the one that the env names, whether the dump names it or not."""
    for name in (b"", b"USE `shop`;\n"):
        server, machine = stage(tmp_path, "mysqldump", CommandOutput())
        machine.answer("sh schemas", answer=CommandOutput(0, b"other\n"))
        dump = b"-- MySQL dump 10.13\n" + name + b"rows\n-- Dump completed\n"
        server.file.write_bytes(dump)
        asyncio.run(server.restore())
        assert machine.fed == [dump]
    assert not state.exists() or not list(state.iterdir())


def test_what_was_not_kept_is_excepted(tmp_path: Path) -> None:
    """The system's own databases, and new ones."""
    server, _ = stage(tmp_path, "mysqldump", ERROR, CommandOutput())
    server.file.write_bytes(
        b"-- MySQL dump 10.13\nUSE `mysql`;\nUSE `shop`;\nUSE `new`;\n-- Dump completed\n"
    )
    assert (failed(server).hint or "").endswith("), except mysql, new")


def test_a_database_that_has_crashed_gets_time_to_start(tmp_path: Path) -> None:
    """Its restore is what ended it."""
    server, machine = stage(tmp_path, "mysqldump", ERROR, CommandOutput())
    down = CommandOutput(1, stderr=b"Can't connect")
    machine.accepts = [CommandOutput(), CommandOutput(), down, down]
    with pytest.raises(FtlError) as caught:
        asyncio.run(server.restore())
    assert machine.accepts == []
    assert "has its previous state again" in (caught.value.hint or "")


def test_the_command_is_one_for_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path may have a space."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "my state"))
    server, _ = stage(tmp_path, "mysqldump", ERROR, CommandOutput(1))
    assert f"`ftl restore db '{tmp_path}/my state/" in (failed(server).hint or "")


def test_where_that_fails_too_the_error_has_the_command(tmp_path: Path, state: Path) -> None:
    """And both reasons."""
    server, _ = stage(tmp_path, "mysqldump", ERROR, CommandOutput(1, stderr=b"disk full"))
    error = failed(server)
    (kept,) = state.iterdir()
    assert "ERROR 1064" in (error.cause or "")
    assert "restoring the previous state failed, too: the restore of db failed: disk full" in (
        error.cause or ""
    )
    assert "may be replaced in part: " in (error.hint or "")
    assert f"`ftl restore db {kept}` restores the previous state" in (error.hint or "")


def test_a_lost_connection_leaves_it_to_the_user(tmp_path: Path, state: Path) -> None:
    """Nothing can be put back; the error has the command."""
    lost = CommandOutput(error=ServerError("the connection was lost"))
    server, machine = stage(tmp_path, "mysqldump", lost)
    error = failed(server, ServerError)
    (kept,) = state.iterdir()
    assert f"`ftl restore db {kept}`" in (error.hint or "")
    assert machine.outcomes == []


def test_who_stops_a_restore_is_told_the_command(tmp_path: Path, state: Path) -> None:
    """By a note, since the error is only that it was stopped."""
    server, machine = stage(tmp_path, "mysqldump", CommandOutput(stays=True))

    async def scenario() -> None:
        machine.stops = asyncio.ensure_future(server.restore())
        with pytest.raises(asyncio.CancelledError):
            await machine.stops

    asyncio.run(scenario())
    (kept,) = state.iterdir()
    notes = [event.text for event in server.events if isinstance(event, Note) and event.level == "warning"]
    assert [f"`ftl restore db {kept}`" in note for note in notes] == [True]


@pytest.mark.parametrize(
    ("dump", "there", "kept"),
    [
        (b"USE `shop`;\n", b"shop\nother\n", " shop"),
        (b"USE `other`;\nUSE `shop`;\nUSE `new`;\n", b"shop\nother\n", " other shop"),
        (b"INSERT INTO x VALUES ('USE `other`;');\n", b"shop\nother\n", ""),
        (b"USE `shop`;\n", b"\n", ""),  # a dump has all
    ],
)
def test_the_databases_that_the_dump_replaces_are_kept(
    tmp_path: Path, dump: bytes, there: bytes, kept: str
) -> None:
    """And no other one: putting it back would undo what its clients write meanwhile."""
    server, machine = stage(tmp_path, "mysqldump", CommandOutput())
    server.file.write_bytes(b"-- MySQL dump 10.13\n" + dump + b"-- Dump completed\n")
    machine.answer("sh databases", answer=CommandOutput(0, there))
    machine.answer("sh schemas", answer=CommandOutput(0, there))
    asyncio.run(server.restore())
    (made,) = (line for line in server.scripts if " sh mysqldump" in line)
    assert made.partition(" sh mysqldump")[2].strip() == kept.strip()


@pytest.mark.parametrize("ends", [CommandOutput(), ERROR])
@pytest.mark.parametrize(("named", "existing"), [("new", b"shop\n"), ("shop", b"other\n")])
def test_where_none_of_them_is_there_yet_nothing_is_kept_nor_put_back(
    tmp_path: Path, ends: CommandOutput, named: str, existing: bytes, state: Path
) -> None:
    """A dump that names no database would be one of the dependency's own, which the restore does not touch."""
    server, machine = stage(tmp_path, "mysqldump", ends)
    server.file.write_bytes(f"-- MySQL dump 10.13\nUSE `{named}`;\n-- Dump completed\n".encode())
    machine.answer("sh databases", answer=CommandOutput(0, b"shop\n"))
    machine.answer("sh schemas", answer=CommandOutput(0, existing))
    if ends is ERROR:
        error = failed(server)
        assert "previous state" not in (error.hint or "")
    else:
        assert asyncio.run(server.restore()).kept == ""
    assert not [line for line in server.scripts if " sh mysqldump" in line]
    assert len(machine.fed) == 1
    assert not state.exists() or not list(state.iterdir())
    assert not [e for e in server.events if isinstance(e, Note) and "previous state" in e.text]


def test_of_a_backup_on_the_server_its_databases_are_read_there() -> None:
    """Names may have a backtick."""
    machine = FakeMachine()
    machine.answer("USE", answer=CommandOutput(stdout=b"USE `a``b`;\nUSE `shop`;\nUSE `shop`;\n"))
    dump = StoredDump("db.sql", StreamEnds(size=9), BackupFolder("/var/backups/ftl/shop", "sha256:1"), "shop")
    assert asyncio.run(dump.databases(session(machine))) == ("a`b", "shop")
