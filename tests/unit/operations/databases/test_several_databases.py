"""Several databases in one server: which are found, backed up, and restored into which."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.observe.cluster import observe_fleet
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.host.fleet import Fleet
from ftl.operations.databases.backup import BackupResult, back_up
from ftl.operations.databases.dumps import database_in_dump, database_of_file
from ftl.operations.databases.tools import script_text
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.operations.databases.test_backup import PROJECT, WHOLE, session
from tests.unit.operations.databases.test_container_scripts import Container
from tests.unit.operations.databases.test_restore import DatabaseServer

if TYPE_CHECKING:
    from ftl.events import Event

PSQL = """#!/bin/sh
query=$(cat)
case "$query $*" in
*pg_database*)
    case "$* $query" in
    *--dbname=template1*"datname <> :'database'"*'datconnlimit <> -2'*) ;;
    *) exit 9 ;;
    esac
    case "$*" in *database=shop*) ;; *) exit 8 ;; esac
    printf 'shop_cable\\nshop_empty\\nshop_gone\\n' ;;
*=shop_cable) echo 1 ;;
*=shop_gone) exit 2 ;;
esac
"""
MARIADB = """#!/bin/sh
case "$*" in *information_schema.tables*) printf 'other\\nshop\\n' ;; *) exit 9 ;; esac
"""


def test_databases_with_tables_are_found(tmp_path: Path) -> None:
    """After the one of the env; one that does not answer may have some."""
    container = Container(tmp_path, psql=PSQL)
    done = container.run_script(script_text("dump.sh"), "databases", "pg_dump", POSTGRES_DB="shop")
    assert (done.returncode, done.stdout) == (0, b"shop\nshop_cable\nshop_gone\n")


@pytest.mark.parametrize(("own", "found"), [("shop", b"shop\nother\n"), ("", b"\n")])
def test_those_of_mariadb_are_found_where_a_dump_has_one(tmp_path: Path, own: str, found: bytes) -> None:
    """Without `MARIADB_DATABASE` a dump has all."""
    container = Container(tmp_path, mariadb=MARIADB)
    done = container.run_script(script_text("dump.sh"), "databases", "mariadb-dump", MARIADB_DATABASE=own)
    assert (done.returncode, done.stdout) == (0, found)


DUMP = '#!/bin/sh\necho "$*" >>"$HOME/log"\n'


@pytest.mark.parametrize(
    ("databases", "words"),
    [
        ((), "--add-drop-database --databases shop"),
        (("", "", "one", "two"), "--add-drop-database --databases one two"),
    ],
)
def test_a_dump_of_mariadb_has_the_databases_that_are_asked_for(
    tmp_path: Path, databases: tuple[str, ...], words: str
) -> None:
    """Else the one of the env."""
    container = Container(tmp_path, **{"mariadb-dump": DUMP})
    container.run_script(script_text("dump.sh"), "mariadb-dump", *databases, MARIADB_DATABASE="shop")
    assert (tmp_path / "log").read_text().startswith(f"{words} --user=root")


# --- backups ----------------------------------------------------------------------------------------


def backed_up(file: str | None, *, database: str = "") -> tuple[BackupResult, list[str], list[str]]:
    """Back up a PostgreSQL that has more databases; the notes, and what was dumped."""
    machine = FakeMachine()
    notes: list[str] = []
    server = session(machine)
    whole = CommandOutput(0, WHOLE["pg_dump"], b"ftl-checked\n")
    machine.answers = [
        (("sh detect",), CommandOutput(0, b"pg_dump\n")),
        (("sh databases pg_dump",), CommandOutput(0, b"shop\nshop_queue\nmy shop\n")),
        (("sh pg_dump",), whole),
    ]

    def emit(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    made = asyncio.run(back_up(Fleet([server]), PROJECT, "db", file, observe_fleet, emit, database=database))
    lines = [" ".join(command) for command in machine.commands]
    dumps = [line.partition("sh pg_dump")[2].strip() or "own" for line in lines if "sh pg_dump" in line]
    return made, notes, dumps


def test_a_backup_has_a_file_for_each_database(tmp_path: Path) -> None:
    """With one time in their names; one whose name cannot be there is named."""
    made, notes, dumps = backed_up(str(tmp_path))
    (other,) = made.others
    assert dumps == ["own", "shop_queue"]
    assert (other.database, other.bytes) == ("shop_queue", len(WHOLE["pg_dump"]))
    assert Path(other.file).name == Path(made.file).name.replace("db-", "db.shop_queue-")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        Path(file).name for file in (made.file, other.file)
    )
    assert (made.left_out, notes) == (
        ("my shop",),
        ["db has databases that are not in this backup: my shop"],
    )


def test_a_file_of_ones_own_has_one_database_and_the_others_are_named(tmp_path: Path) -> None:
    """No backup looks like one of all that is not; of one that is asked for there is nothing to say."""
    made, notes, dumps = backed_up(str(tmp_path / "mine.dump"))
    assert (dumps, made.others, made.left_out) == (["own"], (), ("shop_queue", "my shop"))
    assert notes == ["db has databases that are not in this backup: shop_queue, my shop"]
    made, notes, dumps = backed_up(str(tmp_path), database="shop_queue")
    assert (dumps, made.others, made.left_out, notes) == (["shop_queue"], (), (), [])
    assert database_of_file("db", made.file) == "shop_queue"


@pytest.mark.parametrize("database", ["a/b", "-x", "a=b"])
def test_a_database_that_no_file_can_be_named_after_is_refused(tmp_path: Path, database: str) -> None:
    """Nothing is written."""
    with pytest.raises(UsageError, match="is not a name of a database that FTL backs up"):
        backed_up(str(tmp_path), database=database)
    assert list(tmp_path.iterdir()) == []


# --- restores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "database"),
    [
        ("/x/db.shop_queue-20260101-031500.dump", "shop_queue"),
        ("db.a-b.c-20260101-031500.sql", "a-b.c"),
        ("db-20260101-031500.dump", ""),
        ("db-before-restore-20260101-031500.sql", ""),
        ("db2.shop_queue-20260101-031500.dump", ""),
        ("shop.dump", ""),
        ("-", ""),
    ],
)
def test_the_name_of_a_backup_says_its_database(file: str, database: str) -> None:
    """Only where FTL has given it."""
    assert database_of_file("db", file) == database


def head(database: str, version: tuple[int, int] = (1, 15)) -> bytes:
    """How a dump of PostgreSQL begins."""

    def number(value: int) -> bytes:
        return b"\0" + value.to_bytes(4, "little")

    compression = b"\x01" if version >= (1, 15) else number(6)
    text = database.encode()
    rest = b"".join(number(each) for each in (59, 30, 12, 1, 0, 126, 0))
    beginning = b"PGDMP" + bytes((*version, 0, 4, 8, 1)) + compression
    return beginning + rest + number(len(text)) + text + number(2) + b"16" + b"x" * 600


@pytest.mark.parametrize("version", [(1, 14), (1, 15), (1, 16)])
def test_a_dump_of_postgresql_says_its_database(version: tuple[int, int]) -> None:
    """Versions of the format from PostgreSQL 12 on; another file has none."""
    assert database_in_dump(head("shop_queue", version)) == "shop_queue"
    assert [database_in_dump(data) for data in (b"", b"PGDMP", b"PGDMP" + b"x" * 600, bytes(600))] == [""] * 4


def test_a_dump_of_another_database_that_there_is_needs_a_word(tmp_path: Path) -> None:
    """It would replace the dependency's own one; `--database` says which is meant."""
    stage = DatabaseServer(tmp_path, "pg_dump", head("shop_queue"))
    stage.machine.answer("sh databases pg_dump", answer=CommandOutput(stdout=b"shop\nshop_queue\n"))
    stage.confirm = AssertionError("it asked")
    with pytest.raises(UsageError, match="is a dump of the database shop_queue, which db has") as caught:
        asyncio.run(stage.restore())
    assert "`--database shop_queue` restores it there" in (caught.value.hint or "")
    stage.confirm = None
    for database in ("shop_queue", "shop"):
        stage.machine.commands.clear()
        asyncio.run(stage.restore(database=database))
        lines = [line for line in stage.scripts if line.endswith(f" {database}")]
        assert any(" sh restore pg_dump keep " in line for line in lines)
        assert any(line.startswith("ftl-restore") for line in lines)


def test_a_dump_of_a_database_that_there_is_not_goes_into_the_dependencys_own(tmp_path: Path) -> None:
    """As that of production into staging."""
    stage = DatabaseServer(tmp_path, "pg_dump", head("shop_production"))
    stage.machine.answer("sh databases pg_dump", answer=CommandOutput(stdout=b"shop_staging\n"))
    done = asyncio.run(stage.restore())
    (fed,) = (line for line in stage.scripts if " sh restore pg_dump keep " in line)
    assert fed.endswith(f" keep {done.kept}")
    assert done.kept.startswith("db_before_")


@pytest.mark.parametrize("there", [True, False])
def test_a_database_of_the_name_of_the_file_is_restored_or_made(tmp_path: Path, there: bool) -> None:
    """A new server does not have it yet: nothing has to be kept."""
    stage = DatabaseServer(tmp_path, "pg_dump", head("shop_queue"))
    stage.file = stage.file.rename(tmp_path / "db.shop_queue-20260101-031500.dump")
    answer = CommandOutput(stdout=b"" if there else b"new\n")
    stage.machine.answer("sh accepts pg_dump keep  shop_queue", answer=answer)
    done = asyncio.run(stage.restore())
    assert done.kept.startswith("shop_queue_before_") if there else done.kept == ""
    (fed,) = (line for line in stage.scripts if " sh restore pg_dump keep " in line)
    assert fed.endswith(f" keep {done.kept} shop_queue")


def test_a_dump_of_mariadb_says_itself_what_it_replaces(tmp_path: Path) -> None:
    """Another database cannot be asked for."""
    stage = DatabaseServer(tmp_path, "mariadb-dump", WHOLE["mariadb-dump"])
    with pytest.raises(FtlError, match="a dump of MariaDB says itself what it replaces"):
        asyncio.run(stage.restore(database="other"))
    assert not stage.machine.processes


def test_the_databases_of_mysql_are_those_that_exist(tmp_path: Path) -> None:
    """Also one without tables; the env's may have been dropped."""
    mysql = '#!/bin/sh\ncase "$*" in *information_schema.schemata**) echo empty ;; *) exit 9 ;; esac\n'
    container = Container(tmp_path, mysql=mysql)
    done = container.run("schemas", "mysqldump", "keep", "", MYSQL_DATABASE="shop")
    assert (done.returncode, done.stdout) == (0, b"empty\n")
