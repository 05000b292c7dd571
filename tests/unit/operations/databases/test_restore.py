"""Restores: cuts in the middle, the lock meanwhile, and throwaway databases left behind."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.project import Dependency, Project, ProjectInfo, Server
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.observe.abandoned import DRILL_SECONDS
from ftl.deploy.observe.cluster import observe_fleet
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.errors import FtlError, ServerError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.locks.lock import DeployLock
from ftl.operations.databases.drill import remove_drills as _remove_drills
from ftl.operations.databases.dumps import KINDS
from ftl.operations.databases.restore import RestoreRequest, RestoreResult, restore
from ftl.operations.databases.sources import FINISH_SECONDS, DumpReader, _feed, open_dump
from ftl.operations.databases.tools import RunningDatabase
from ftl.releases.store import ensure_store, read_history
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine, FakeProcess

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from ftl.engine.api import Engine
    from ftl.events import Event
    from ftl.ssh.machine import Machine

COMMAND = GivenCommand("restore", ("db", "shop.dump"))
RDB = b"REDIS0010" + b"x" * 2000 + b"\xff" + b"checksum"
PROJECT = Project(
    project=ProjectInfo(name="shop"),
    server=Server(host="server"),
    services=(),
    dependencies=(Dependency(name="db", image="db"),),
)


class Busy(FakeProcess):
    """A process that reads everything and does not end."""

    def __init__(self) -> None:
        super().__init__(CommandOutput(stays=True))
        assert self.stdin is not None
        self.stdin.write_eof = lambda: None  # type: ignore[method-assign]


class BusyServer(FakeMachine):
    """A server whose database works for ever."""

    async def start(self, argv: Sequence[str]) -> Process:
        """Start it."""
        self.processes.append(Busy())
        return self.processes[-1]


async def _data() -> AsyncIterator[bytes]:
    yield b"x" * 1000


def test_a_database_that_does_not_end_is_given_up() -> None:
    """Later when it has all of the dump: indexes of large tables take long."""

    async def scenario() -> None:
        machine = BusyServer()
        session = Session("server", cast("Machine", machine), cast("Engine", None), await FakeEngine().info())
        running = RunningDatabase(session, "db", "db", KINDS["pg_dump"])
        loop = asyncio.get_running_loop()
        with pytest.raises(FtlError, match="the restore of db failed") as caught:
            await _feed(DumpReader(running, ["restore.sh"], lambda _: None), _data(), "")
        assert "it read nothing for" in (caught.value.cause or "")
        assert FINISH_SECONDS <= loop.time() < FINISH_SECONDS + 10
        assert machine.processes[0].returncode is not None

    run(scenario())


class DatabaseServer:
    """A server where the dependency `db` runs.

    Attributes:
        confirm: Raised in place of an answer.
        meanwhile: Called while the user is asked.
    """

    def __init__(self, tmp_path: Path, tool: str, data: bytes) -> None:
        self.confirm: BaseException | None = None
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.events: list[Event] = []
        self.machine = FakeMachine()
        self.engine = FakeEngine(images=["db"])
        self.project = PROJECT
        self.machine.answer("ftl-deploy-lock take", answer=CommandOutput(stdout=b"mine\n", stays=True))
        self.machine.answer("ftl-guard", answer=CommandOutput(stdout=b"ready\n", stays=True))
        self.machine.answer("sh detect", answer=CommandOutput(0, f"{tool}\n".encode()))
        self.file = tmp_path / "db.dump"
        self.file.write_bytes(data)

    async def restore(self, *, drill: bool = False, stored: str = "", database: str = "") -> RestoreResult:
        """Restore the file, or a backup of the server; `events` gets the events."""
        engine = cast("Engine", self.engine)
        await ensure_store(engine, "db")
        if "shop-db" not in self.engine.by_name:
            await self.add("shop-db", labels.ROLE_DEPENDENCY)
        self.engine.by_name["shop-db"].state = "running"
        session = Session("server", cast("Machine", self.machine), engine, await engine.info())

        async def confirm() -> None:
            if self.confirm is not None:
                raise self.confirm
            if self.meanwhile is not None:
                await self.meanwhile()

        file, root = stored or str(self.file), self.file.parent
        with nullcontext() if stored else open_dump(file) as dump:
            request = RestoreRequest(
                self.project, "db", file, root, COMMAND, drill, confirm, observe_fleet, dump, database
            )
            return await restore(request, Fleet([session]), self.events.append)

    async def add(self, name: str, role: str, **more: str) -> None:
        """Add a container."""
        label_map = {labels.PROJECT: "shop", labels.SERVICE: "db", labels.ROLE: role, **more}
        await self.engine.create(name, ContainerSpec(image="db", labels=label_map))

    @property
    def scripts(self) -> list[str]:
        """The names of the scripts that ran, and their first arguments."""
        return [" ".join(command[3:]) for command in self.machine.commands]


def test_a_restore_is_in_the_audit(tmp_path: Path) -> None:
    """With the names of the dependency and of the file."""

    async def scenario() -> None:
        stage = DatabaseServer(tmp_path, "pg_dump", b"PGDMP" + b"x" * 600)
        await stage.restore()
        entries = (await read_history(cast("Engine", stage.engine), "shop")).audit
        assert [(entry.command, entry.outcome) for entry in entries] == [("restore db shop.dump", "done")]

    asyncio.run(scenario())


@pytest.mark.parametrize("tool", ["pg_dump", "mysqldump"])
def test_a_container_that_was_replaced_meanwhile_is_not_used(tmp_path: Path, tool: str) -> None:
    """The restore may have waited for a deploy to end; another kind of database there is refused."""

    async def scenario() -> None:
        stage = DatabaseServer(tmp_path, "pg_dump", b"PGDMP" + b"x" * 600)
        ids: list[str] = []

        async def deploy() -> None:
            ids.append(stage.engine.by_name["shop-db"].id)
            await stage.engine.remove("shop-db", force=True)
            await stage.add("shop-db", labels.ROLE_DEPENDENCY)
            stage.engine.by_name["shop-db"].state = "running"
            ids.append(stage.engine.by_name["shop-db"].id)
            stage.machine.answer("sh detect", answer=CommandOutput(0, f"{tool}\n".encode()))

        stage.meanwhile = deploy
        if tool != "pg_dump":
            with pytest.raises(FtlError, match="was replaced by another kind of database") as caught:
                await stage.restore()
            assert "nothing was restored" in (caught.value.hint or "")
            return
        await stage.restore()
        changing = [line for line in stage.scripts if "restore.sh" in line or " sh restore " in line]
        changing += [line for line in stage.scripts if line.startswith("ftl-restore")]
        assert all(ids[1] in line and ids[0] not in line for line in changing)
        assert len(changing) >= 2

    asyncio.run(scenario())


def test_what_goes_on_without_us_gets_the_key_of_the_lock(tmp_path: Path) -> None:
    """By stdin: every local user can read the arguments of a process. A throwaway needs none.

    The tool that loads the dump has it too, by its watchdog: it ends up to 30 s after us.
    """

    async def scenario() -> None:
        stage = DatabaseServer(tmp_path, "pg_dump", b"PGDMP" + b"x" * 600)
        await stage.restore()
        await stage.restore(drill=True)
        replacements = [n for n, line in enumerate(stage.scripts) if line.startswith("ftl-restore")]
        engine_id = (await stage.engine.info()).id
        key = DeployLock(cast("Machine", stage.machine), "shop", engine_id).key
        held = f"{key}\nthe server (ends the restore of ".encode()
        replacing, throwaway = (stage.machine.inputs[n] or b"" for n in replacements)
        assert replacing.startswith(held)
        assert throwaway == b"\n\n"
        guards = [each.received for each in stage.machine.processes if each.received.endswith(b"done\n")]
        assert [each.startswith(held) for each in guards] == [True, False, False]
        assert not any(key in argument for line in stage.machine.commands for argument in line)

    asyncio.run(scenario())


def test_a_scheduled_backup_does_not_leave_the_server(tmp_path: Path) -> None:
    """It is checked and read there; nothing is written to a process from here."""

    async def scenario() -> None:
        stage = DatabaseServer(tmp_path, "pg_dump", b"")
        await stage.add("shop.job.backup.db", labels.ROLE_JOB, **{labels.JOB: "backup.db"})
        stage.machine.answer("for file in", answer=CommandOutput(stdout=b"db-20250101-031500.dump 6\n"))
        whole = " ".join(f"{byte:02x}" for byte in b"PGDMP.").encode()
        stage.machine.answer("od -An -v", answer=CommandOutput(stdout=whole + b"\n/\n" + whole))
        done = await stage.restore(stored="latest")
        assert (done.file, done.bytes) == ("db-20250101-031500.dump", 6)
        (fed,) = (command for command in stage.machine.commands if "sh restore pg_dump" in " ".join(command))
        assert "db-20250101-031500.dump" in fed
        assert not any(command[-3] == 'cat "/backups/$1"' for command in stage.machine.commands)
        stage.machine.answer(
            "od -An -v", answer=CommandOutput(stdout=b"68 65 6c 6c 6f 21\n/\n68 65 6c 6c 6f 21")
        )
        with pytest.raises(FtlError, match="is not a dump of PostgreSQL"):
            await stage.restore(stored="latest")

    asyncio.run(scenario())


def test_a_drill_is_guarded_on_the_server(tmp_path: Path) -> None:
    """Whatever becomes of us, nothing with a copy of the data stays: the guard removes it."""

    async def scenario() -> None:
        stage = DatabaseServer(tmp_path, "pg_dump", b"PGDMP" + b"x" * 600)
        stage.machine.answer("sh ready", answer=CommandOutput(error=ServerError("the connection was lost")))
        with pytest.raises(ServerError):
            await stage.restore(drill=True)
        (created,) = (call for call in stage.engine.calls if "-drill-" in call and call.startswith("create"))
        name = created.removeprefix("create ")
        (guard,) = (script for script in stage.scripts if script.startswith("ftl-guard"))
        assert guard.endswith(f"30 run {name} {DRILL_SECONDS:.0f}")
        assert f"remove {name}" in stage.engine.calls

    asyncio.run(scenario())


def test_throwaway_databases_that_were_left_behind_are_removed(tmp_path: Path) -> None:
    """Those whose time is over or that ended with the server, and no container that is in use."""

    async def scenario() -> None:
        stage = DatabaseServer(tmp_path, "pg_dump", b"")
        for name in ("ended", "old", "in-use"):
            await stage.add(name, labels.ROLE_RUN, **{labels.DRILL: "true"})
        await stage.add("run", labels.ROLE_RUN)
        boxes = stage.engine.by_name
        boxes["ended"].state = boxes["run"].state = "exited"
        boxes["old"].state = boxes["in-use"].state = "running"
        boxes["in-use"].created = 4_000_000_000
        engine = cast("Engine", stage.engine)
        session = Session("server", cast("Machine", stage.machine), engine, await engine.info())
        await _remove_drills(session, "shop")
        assert sorted(stage.engine.by_name) == ["in-use", "run"]

    asyncio.run(scenario())
