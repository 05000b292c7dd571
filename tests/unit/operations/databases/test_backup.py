"""Backups and restores: what makes a dump whole, and what happens to files when it is not."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.project import Dependency, Project, ProjectInfo, Server
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.observe.cluster import observe_fleet
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.errors import FtlError
from ftl.events import Note
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.databases.backup import BackupResult, back_up
from ftl.operations.databases.dumps import KINDS, StreamEnds, check_whole
from ftl.operations.databases.restore import RestoreRequest, restore
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.events import Event
    from ftl.ssh.machine import Machine

WHOLE = {
    "pg_dump": b"PGDMP\x01\x10" + b"x" * 2000,
    "mariadb-dump": b"/*M!999999\\- enable the sandbox mode */\n"
    + b"x" * 2000
    + b"\n-- Dump completed on 2026-01-31\n",
    "mysqldump": b"-- MySQL dump 10.13\n" + b"x" * 2000 + b"\n-- Dump completed on 2026-01-31\n",
    "mongodump": b"\x6d\xe2\x99\x81" + b"x" * 2000 + b"\xff\xff\xff\xff",
    "redis-cli": b"REDIS0010" + b"x" * 2000 + b"\xff" + b"checksum",
}
CUT_IS_SEEN = ("mariadb-dump", "mysqldump", "mongodump", "redis-cli")


def ends(data: bytes, size: int = 100) -> StreamEnds:
    """The ends of a stream that comes in pieces."""
    found = StreamEnds()
    for start in range(0, len(data), size):
        found.feed(data[start : start + size])
    return found


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
@pytest.mark.parametrize("tool", KINDS)
def test_a_whole_dump_is_recognised_by_its_ends(tool: str, size: int) -> None:
    """In whatever pieces it comes."""
    found = ends(WHOLE[tool], size)
    check_whole(KINDS[tool], found, "the dump")
    assert found.size == len(WHOLE[tool])


def test_a_dump_of_mariadb_may_begin_without_an_m() -> None:
    """As that of 10.6.18, 10.11.8 and 11.4.2 does."""
    check_whole(KINDS["mariadb-dump"], ends(WHOLE["mariadb-dump"].replace(b"/*M!", b"/*!")), "the dump")


@pytest.mark.parametrize("tool", CUT_IS_SEEN)
def test_a_cut_dump_is_refused(tool: str) -> None:
    """Wherever it is cut."""
    for missing in (1, 60, 1000):
        with pytest.raises(FtlError, match="is truncated"):
            check_whole(KINDS[tool], ends(WHOLE[tool][:-missing]), "x")


@pytest.mark.parametrize("tool", KINDS)
def test_another_file_is_refused(tool: str) -> None:
    """An empty one too."""
    for data in (b"", b"<html>", b"x" * 3000):
        with pytest.raises(FtlError, match="is not a"):
            check_whole(KINDS[tool], ends(data), "x")


PROJECT = Project(
    project=ProjectInfo(name="shop"),
    server=Server(host="server"),
    services=(),
    dependencies=(Dependency(name="db", image="db"),),
)


def session(machine: FakeMachine) -> Session:
    """A server on which the dependency runs."""
    engine = FakeEngine(images=["db"])
    label_map = {labels.PROJECT: "shop", labels.SERVICE: "db", labels.ROLE: labels.ROLE_DEPENDENCY}
    asyncio.run(engine.create("shop-db", ContainerSpec(image="db", labels=label_map)))
    engine.by_name["shop-db"].state = "running"
    return Session("server", cast("Machine", machine), cast("Engine", engine), asyncio.run(engine.info()))


def dump(
    answer: CommandOutput, file: Path, tool: str = "mysqldump", *, notes: list[str] | None = None
) -> BackupResult:
    """Back up a database whose tool answers so; `notes` gets the notes."""
    machine = FakeMachine()

    def emit(event: Event) -> None:
        if notes is not None and isinstance(event, Note):
            notes.append(event.text)

    async def run() -> BackupResult:
        return await back_up(Fleet([session_]), PROJECT, "db", str(file), observe_fleet, emit)

    session_ = session(machine)
    machine.answers = [(("sh detect",), CommandOutput(0, f"{tool}\n".encode())), ((f"sh {tool}",), answer)]
    return asyncio.run(run())


def test_a_backup_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """It is the owner's alone, and replaces an earlier one."""
    file = tmp_path / "shop.sql"
    file.write_text("the last one")
    made = dump(CommandOutput(0, WHOLE["mysqldump"]), file)
    assert (made.file, made.bytes, made.verified) == (str(file), len(WHOLE["mysqldump"]), True)
    assert file.read_bytes() == WHOLE["mysqldump"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["shop.sql"]


@pytest.mark.parametrize(
    "answer",
    [
        CommandOutput(2, WHOLE["mysqldump"], b"mysqldump: Got error: 2013: Lost connection"),
        CommandOutput(0, WHOLE["mysqldump"][:-40]),
        CommandOutput(0, b""),
    ],
    ids=["failed", "cut", "empty"],
)
def test_a_backup_that_is_not_whole_leaves_the_last_one(answer: CommandOutput, tmp_path: Path) -> None:
    """And nothing beside it."""
    file = tmp_path / "shop.sql"
    file.write_text("the last one")
    with pytest.raises(FtlError):
        dump(answer, file)
    assert file.read_text() == "the last one"
    assert [path.name for path in tmp_path.iterdir()] == ["shop.sql"]


@pytest.mark.parametrize("said", [b"", b"ftl-checked\nno more\n"])
def test_a_dump_of_postgres_that_was_not_read_to_its_end_is_none(said: bytes, tmp_path: Path) -> None:
    """Its end has no mark: where the connection is lost, only the last word of the server is missing."""
    with pytest.raises(FtlError, match="the dump is truncated"):
        dump(CommandOutput(0, WHOLE["pg_dump"], said), tmp_path / "shop.dump", "pg_dump")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_is_much_smaller_than_the_last_one_is_noted(tmp_path: Path) -> None:
    """The last one of the same dependency and kind, in the same folder."""
    last = tmp_path / "db-20250102-031500.sql"
    for name in (
        "db-20250101-031500.sql",
        "db-2-20250103-031500.sql",
        "db-20250104-031500.dump",
        "db-mine.sql",
    ):
        (tmp_path / name).write_bytes(b"x")
    notes: list[str] = []
    last.write_bytes(b"x" * 2 * len(WHOLE["mysqldump"]))
    made = dump(CommandOutput(0, WHOLE["mysqldump"]), tmp_path, notes=notes)
    assert (made.smaller_than, notes) == (None, [])
    last.write_bytes(b"x" * (2 * len(WHOLE["mysqldump"]) + 1))
    Path(made.file).unlink()
    made = dump(CommandOutput(0, WHOLE["mysqldump"]), tmp_path, notes=notes)
    assert made.smaller_than == str(last)
    (note,) = notes
    assert f"less than half of the bytes of {last.name}" in note
    assert dump(CommandOutput(0, WHOLE["mysqldump"]), tmp_path / "x.sql", notes=notes).smaller_than is None


def test_what_a_killed_backup_left_goes_with_the_next_one(tmp_path: Path) -> None:
    """Only what a backup of the same dependency named by its time, and nobody writes any more."""
    gone = ["db-20260131-120000.sql.partial", "db-before-restore-20260131-120000.rdb.partial"]
    stays = ["db-2-20260131-120000.sql.partial", "db-mine.sql.partial", "db-20260131-120000.sql"]
    held, fresh = "db-20260131-120001.sql.partial", "db-20260131-120002.sql.partial"
    for name in (*gone, *stays, held, fresh):
        (tmp_path / name).write_text("half a dump")
        os.utime(tmp_path / name, None if name == fresh else (1, 1))
    with (tmp_path / held).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        dump(CommandOutput(0, WHOLE["mysqldump"]), tmp_path / "shop.sql")
    assert {path.name for path in tmp_path.iterdir()} == {*stays, held, fresh, "shop.sql"}


def test_a_strangers_bytes_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """What a file begins with is named; control characters are numbers."""
    for head, shown in ((b"PK archive", "`PK archive"), (b"\x1b]0;evil\x07", "the bytes 1b 5d 30 3b")):
        with pytest.raises(FtlError, match="is not a dump of MySQL") as caught:
            dump(CommandOutput(0, head + b"x" * 600), tmp_path / "shop.sql")
        assert f"it begins with {shown}" in (caught.value.cause or "")


def test_two_backups_do_not_write_one_file(tmp_path: Path) -> None:
    """The second is refused and leaves the first alone; what a killed one has left is written over."""
    file, partial = tmp_path / "shop.sql", tmp_path / "shop.sql.partial"
    partial.write_text("half a dump")
    with partial.open("rb") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(FtlError, match=r"another backup is writing .*shop\.sql"):
            dump(CommandOutput(0, WHOLE["mysqldump"]), file)
    assert partial.read_text() == "half a dump"
    dump(CommandOutput(0, WHOLE["mysqldump"]), file)
    assert file.read_bytes() == WHOLE["mysqldump"]
    assert [path.name for path in tmp_path.iterdir()] == ["shop.sql"]


def test_a_backup_into_a_folder_is_called_after_the_dependency(tmp_path: Path) -> None:
    """With the time and the suffix of its kind."""
    made = dump(CommandOutput(0, WHOLE["pg_dump"], b"ftl-checked\n"), tmp_path, "pg_dump")
    name = Path(made.file).name
    assert (name.startswith("db-2"), name.endswith(".dump")) == (True, True)


def test_an_image_without_a_known_tool_is_refused(tmp_path: Path) -> None:
    """With the way that is left."""
    with pytest.raises(FtlError, match="cannot be backed up") as caught:
        dump(CommandOutput(0, b""), tmp_path / "x", "memcached-tool")
    assert "ftl exec db" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "data", [WHOLE["mysqldump"][:-40], WHOLE["pg_dump"], b""], ids=["cut", "wrong", "empty"]
)
def test_a_restore_refuses_a_file_before_it_asks_or_changes_anything(data: bytes, tmp_path: Path) -> None:
    """Only the kind of the database is looked up on the server."""
    file = tmp_path / "x.sql"
    file.write_bytes(data)
    machine = FakeMachine()
    session_ = session(machine)
    machine.answers = [(("sh detect",), CommandOutput(0, b"mysqldump\n"))]

    async def confirm() -> None:
        raise AssertionError("it asked")

    request = RestoreRequest(
        PROJECT,
        "db",
        str(file),
        tmp_path,
        GivenCommand("restore"),
        drill=False,
        confirm=confirm,
        observe=observe_fleet,
        dump=file.open("rb"),
    )
    with pytest.raises(FtlError, match=r"x\.sql is "):
        asyncio.run(restore(request, Fleet([session_]), lambda _event: None))
    assert len(machine.commands) == 1


def test_a_password_is_never_an_argument(tmp_path: Path) -> None:
    """The tools get it from the env of the container: no command of ours has one."""
    machine = FakeMachine()
    session_ = session(machine)
    machine.answers = [
        (("sh detect",), CommandOutput(0, b"pg_dump\n")),
        (("sh pg_dump",), CommandOutput(0, WHOLE["pg_dump"], b"ftl-checked\n")),
    ]
    asyncio.run(
        back_up(Fleet([session_]), PROJECT, "db", str(tmp_path / "x"), observe_fleet, lambda _event: None)
    )
    script = machine.commands[-1][-3]
    assert "export PGPASSWORD" in script
    assert "--password" not in script
    assert " -p" not in script.replace("mysql -p", "")
