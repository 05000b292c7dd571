"""Restores that are refused before anything changes, and what their tools are told."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Project, Server, Service
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.operations.databases.sources import open_dump
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, write_record
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput
from tests.unit.operations.databases.test_container_scripts import Container
from tests.unit.operations.databases.test_restore import PROJECT, RDB, DatabaseServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.specs import ContainerSpec

CLIENT = """#!/bin/sh
echo "$*" >>"$HOME/log"
case "$*" in *"USE \\`gone"*) exit 1 ;; esac
"""


@pytest.mark.parametrize(
    ("database", "given"),
    [("the shop", "--database=the shop"), ("gone", ""), ("", "")],
    ids=["there", "gone", "none"],
)
def test_a_dump_that_names_no_database_goes_into_the_one_of_the_image(
    tmp_path: Path, database: str, given: str
) -> None:
    """A plain `mysqldump shop` has no USE; where the database is not there yet, the dump has to create it."""
    container = Container(tmp_path, mariadb=CLIENT)
    done = container.run("restore", "mariadb-dump", "keep", "", MARIADB_DATABASE=database)
    assert done.returncode == 0
    line = (tmp_path / "log").read_text().splitlines()[-1]
    assert ("--database" in line, given in line) == (bool(given), True)


@pytest.mark.parametrize("drill", [False, True])
@pytest.mark.parametrize(
    ("tool", "data"),
    [
        ("redis-cli", RDB),
        ("pg_dump", b"PGDMP" + b"x" * 600),
        ("mariadb-dump", b"-- MariaDB dump\n-- Dump completed\n"),
        ("mongodump", b"\x6d\xe2\x99\x81" + b"\xff" * 4),
    ],
)
def test_a_database_that_takes_no_dump_is_refused_before_anything_is_asked_or_done(
    tmp_path: Path, tool: str, data: bytes, drill: bool
) -> None:
    """No backup of the state before is made, the lock stays free, and an empty throwaway would look restored."""
    stage = DatabaseServer(tmp_path, tool, data)
    stage.confirm = AssertionError("it asked")
    stage.machine.answer(f"sh accepts {tool}", answer=CommandOutput(1, stderr=b"its password is another one"))
    with pytest.raises(FtlError, match="db cannot be restored") as caught:
        asyncio.run(stage.restore(drill=drill))
    assert (caught.value.cause, caught.value.hint) == ("its password is another one", None)
    assert not any("-drill-" in call for call in stage.engine.calls)
    assert not stage.machine.processes


PSQL = '#!/bin/sh\necho "$(cat) $*" >>"$HOME/log"\n'
PG_RESTORE = """#!/bin/sh
cat >/dev/null
cat >&2 <<'END'
pg_restore: error: could not execute query: ERROR:  role "the app" does not exist
Command was: ALTER TABLE public.orders OWNER TO "the app";
pg_restore: error: could not execute query: ERROR:  role "reader" does not exist
pg_restore: error: could not execute query: ERROR:  role "reader" does not exist
pg_restore: error: could not execute query: ERROR:  relation "role" does not exist
END
exit 1
"""


def test_postgresql_itself_says_which_roles_a_dump_needs(tmp_path: Path) -> None:
    """In an empty copy, which is gone afterwards."""
    container = Container(tmp_path, psql=PSQL, pg_restore=PG_RESTORE)
    done = container.run("roles", "pg_dump", "keep", "", stdin=b"PGDMP", POSTGRES_USER="shop")
    assert (done.returncode, done.stdout) == (0, b"shop\nreader\nthe app\n")
    log = [line.partition(" DATABASE ")[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert log == ["DROP", "CREATE", "DROP"]


def test_a_dump_that_needs_roles_is_refused_before_anything_changes(tmp_path: Path) -> None:
    """All are named at once, with a command; a drill has none of them, and says so."""
    stage = DatabaseServer(tmp_path, "pg_dump", b"PGDMP" + b"x" * 600)
    stage.machine.answer("sh roles pg_dump", answer=CommandOutput(stdout=b"postgres\nreader\nthe app\n"))
    with pytest.raises(
        FtlError, match="does not have the roles that the dump names: reader, the app"
    ) as caught:
        asyncio.run(stage.restore())
    hint = caught.value.hint or ""
    assert "`ftl exec db -- createuser --username=postgres reader` creates one" in hint
    assert "nothing was changed" in hint
    assert not any(" sh restore " in line or line.startswith("ftl-restore") for line in stage.scripts)
    asyncio.run(stage.restore(drill=True))
    notes = [event.text for event in stage.events if isinstance(event, Note)]
    assert notes == ["the dump names roles that a new server has to get before a restore: reader, the app"]


def test_a_throwaway_that_does_not_start_is_not_waited_for(tmp_path: Path) -> None:
    """Its own log says why: that of the live database would not."""
    stage = DatabaseServer(tmp_path, "pg_dump", b"PGDMP" + b"x" * 600)

    class Ended(FakeEngine):
        async def start(self, container: str) -> None:
            await super().start(container)
            next(one for one in self.by_name.values() if one.id == container).state = "exited"

    stage.engine = Ended(images=["db"])
    stage.machine.answer("sh ready", answer=CommandOutput(1))
    with pytest.raises(FtlError, match="the throwaway db did not start") as caught:
        asyncio.run(asyncio.wait_for(stage.restore(drill=True), 20))
    assert caught.value.details
    assert caught.value.hint is None


def test_a_terminal_is_no_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would ever end it."""
    controller, terminal = pty.openpty()
    with os.fdopen(controller), os.fdopen(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(UsageError, match="stdin is a terminal"):
            open_dump("-")


def test_no_room_for_what_stdin_has_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is named, and not stdin."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 100_000)))
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 -- open_dump closes it
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
    with pytest.raises(FtlError, match="stdin cannot be copied to") as caught:
        open_dump("-")
    assert caught.value.cause == "No space left on device"
    assert "TMPDIR" in (caught.value.hint or "")


class Throwaways(FakeEngine):
    """An engine that remembers the env of the last throwaway."""

    env: Mapping[str, str] | None = None

    async def create(self, name: str, spec: ContainerSpec) -> str:
        """Create it."""
        if "-drill-" in name:
            self.env = spec.env
        return await super().create(name, spec)


def test_a_drill_takes_its_settings_from_the_record_of_a_release(tmp_path: Path) -> None:
    """Without ftl.yaml, or with one that does not have the dependency any more; without a record it is refused."""

    async def scenario() -> None:
        stage = DatabaseServer(tmp_path, "pg_dump", b"PGDMP" + b"x" * 600)
        stage.engine = engine = Throwaways(images=["db"])
        stage.project = Project.bare("shop", Server(host="server"))
        with pytest.raises(FtlError, match="no release record on .* says how db was deployed"):  # noqa: RUF043
            await stage.restore(drill=True)
        recorded = replace(
            PROJECT,
            services=(Service(name="web", image="web"),),
            dependencies=(replace(PROJECT.dependencies[0], env={"COLOUR": "blue"}),),
        )
        await ensure_store(stage.engine, "db")
        await write_record(stage.engine, "shop", ReleaseRecord("r1", "live", 1.0, project=recorded.to_dict()))
        await stage.restore(drill=True)
        assert engine.env == {"COLOUR": "blue"}

    asyncio.run(scenario())


def test_a_service_is_not_restored(tmp_path: Path) -> None:
    """Also where its image has the tool of a database: a deploy replaces its containers, with what is in them."""

    async def scenario() -> None:
        stage = DatabaseServer(tmp_path, "pg_dump", b"PGDMP" + b"x" * 600)
        await stage.add("shop-db", labels.ROLE_SERVICE)
        with pytest.raises(UsageError, match="db is a service"):
            await stage.restore()

    asyncio.run(scenario())
