"""What a restore leaves: the names of databases, the state before, and what a cut leaves."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from ftl.errors import ServerError
from tests.support.fake_machine import CommandOutput
from tests.unit.operations.databases.test_container_scripts import Container
from tests.unit.operations.databases.test_restore import RDB, DatabaseServer

if TYPE_CHECKING:
    from pathlib import Path

NAMES = """#!/bin/sh
printf '%s %s\\n' "$(cat | tr '\\n' ' ')" "$*" >>"$HOME/log"
"""


@pytest.mark.parametrize("name", ["shop", "d" * 63, "d" * 60, "\u00e4" * 31])
def test_the_database_beside_never_has_the_name_of_the_one_in_use(tmp_path: Path, name: str) -> None:
    """PostgreSQL cuts names after 63 bytes, and the database beside is dropped; a restore leaves the names alone."""
    database = Container(tmp_path, psql=NAMES, pg_restore="#!/bin/sh\n")
    assert database.run("restore", "pg_dump", "keep", "before", POSTGRES_DB=name).returncode == 0
    text = (tmp_path / "log").read_text()
    (new,) = set(re.findall(r"new=(\S+)", text))
    assert new.startswith("ftl_restore_")
    assert len(new) < 30
    assert "RENAME" not in text
    assert "ALLOW_CONNECTIONS" not in text


def test_a_database_with_the_name_of_the_one_beside_is_refused(tmp_path: Path) -> None:
    """Nothing is dropped."""
    database = Container(tmp_path, psql=NAMES, cksum="#!/bin/sh\necho 7 4\n")
    done = database.run("accepts", "pg_dump", "keep", "", POSTGRES_DB="ftl_restore_7")
    assert (done.returncode, b"is called ftl_restore_7" in done.stderr) == (1, True)
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("lost", "hint", "replacements"),
    [
        ("sh restore pg_dump", "the data of db is unchanged", 0),
        ('sh replace "$3"', "the server may finish without FTL", 1),
        ("sh count", "the restored database is in use; the previous one is kept as `db_before_", 1),
    ],
    ids=["restore", "replace", "count"],
)
def test_a_lost_connection_says_what_became_of_postgresql(
    tmp_path: Path, lost: str, hint: str, replacements: int
) -> None:
    """The names change by a call of their own: only before it the database is certainly as it was."""

    async def scenario() -> None:
        stage = DatabaseServer(tmp_path, "pg_dump", b"PGDMP" + b"x" * 600)
        stage.machine.answer(lost, answer=CommandOutput(error=ServerError("the connection was lost")))
        with pytest.raises(ServerError) as caught:
            await stage.restore()
        assert (caught.value.hint or "").startswith(hint)
        assert len([script for script in stage.scripts if script.startswith("ftl-restore")]) == replacements

    asyncio.run(scenario())


def test_the_state_before_is_kept_outside_of_the_projects_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build would send a dump there into the image."""
    state, work = tmp_path / "state", tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.chdir(work)

    async def scenario() -> None:
        stage = DatabaseServer(work, "redis-cli", RDB)
        stage.machine.answer("sh redis-cli", answer=CommandOutput(stdout=RDB))
        done = await stage.restore()
        (kept,) = (state / "ftl" / "backups" / "shop").iterdir()
        assert (done.kept, kept.read_bytes()) == (str(kept), RDB)
        assert kept.name.startswith("db-before-restore-")
        assert kept.parent.stat().st_mode & 0o777 == 0o700
        assert [path.name for path in work.iterdir()] == ["db.dump"]

    asyncio.run(scenario())
