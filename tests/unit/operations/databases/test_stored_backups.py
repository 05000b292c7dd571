"""Scheduled backups on the server: their list, and a restore from one."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.backup import ScheduledBackup
from ftl.config.models.project import Project, ProjectInfo, Server
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Mount
from ftl.errors import FtlError, UsageError
from ftl.host.backup_folders import StoredBackup
from ftl.host.session import Session
from ftl.operations.databases.stored import fetch, find_backup, read_ends, stored_backups
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, write_record
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.operations.databases.dumps import StreamEnds
    from ftl.ssh.machine import Machine

LISTED = b"db-20250101-031500.dump 5\ndb-20250102-031500.dump 7\ndb-x-20250103-031500.dump 9\ndb-notes 1\n"
FOLDER = "/var/backups/ftl/shop"
NEW = StoredBackup(
    "db", "db-20250102-031500.dump", "2025-01-02T03:15:00Z", 7, f"{FOLDER}/db-20250102-031500.dump"
)
PROJECT = Project(project=ProjectInfo(name="shop"), server=Server(host="server"), services=())
MOVED = replace(PROJECT, backups=(ScheduledBackup(dependency="db", schedule="0 3 * * *", path="/srv/b,x/"),))
MISSING = b'invalid mount config for type "bind": bind source path does not exist: /var/backups/ftl/shop.'


class Stage:
    """A server with backups of `db`.

    Args:
        listed: The list of its default folder; None: there is no such folder.
        data: The content of each.
        made: Whether the job that makes them is there; else `other` is all that the server has.
        other: The role of another container.
    """

    def __init__(
        self,
        listed: bytes | None = LISTED,
        data: bytes = b"PGDMP..",
        *,
        made: bool = True,
        other: str = labels.ROLE_PROXY,
    ) -> None:
        self.machine = FakeMachine()
        self.machine.answer("for file in", answer=CommandOutput(125, stderr=MISSING))
        if listed is not None:
            self.machine.answer("for file in", f"source={FOLDER}", answer=CommandOutput(stdout=listed))
        self.machine.answer('cat "/backups/$1"', answer=CommandOutput(stdout=data))
        self._made = made
        self._other = other

    async def session(self) -> Session:
        """A session with it."""
        engine = FakeEngine(images=["db", "proxy"])
        label_map = {labels.PROJECT: "shop", labels.ROLE: labels.ROLE_JOB, labels.JOB: "backup.db"}
        mounts = (Mount(FOLDER, "/backups"),)
        if self._made:
            await engine.create(
                "shop.job.backup.db", ContainerSpec(image="db", labels=label_map, mounts=mounts)
            )
        await engine.create(
            "ftl-proxy", ContainerSpec(image="proxy", labels={labels.ROLE: labels.ROLE_PROXY})
        )
        info = await engine.info()
        return Session("server", cast("Machine", self.machine), cast("Engine", engine), info)

    def fetch(self, file: str) -> tuple[str, bytes]:
        """Fetch one of them."""

        async def scenario() -> tuple[str, bytes]:
            sink, session = io.BytesIO(), await self.session()
            folder, backup = await find_backup(session, PROJECT, "db", file)
            await fetch(session, folder, backup, sink, lambda _: None)
            return backup.file, sink.getvalue()

        return asyncio.run(scenario())


def test_backups_are_listed_newest_first() -> None:
    """Other files in the folder are none."""

    async def scenario() -> tuple[StoredBackup, ...]:
        return await stored_backups(await Stage().session(), PROJECT, "db")

    found = asyncio.run(scenario())
    assert found[0] == NEW
    assert [one.file for one in found] == ["db-20250102-031500.dump", "db-20250101-031500.dump"]


@pytest.mark.parametrize("other", [labels.ROLE_PROXY, labels.ROLE_STATE])
def test_backups_are_found_without_the_job_that_made_them(other: str) -> None:
    """After `ftl remove`, too: any image reads the folder, and nothing of the project is needed."""
    stage = Stage(made=False, other=other)
    found = asyncio.run(_listed(stage, PROJECT))
    assert [one.dependency for one in found] == ["db", "db", "db-x"]
    assert found[0] == NEW
    (command,) = stage.machine.commands
    assert command[5] == f'type=bind,"source={FOLDER}",target=/backups,readonly'
    assert "--user 0" in command[2]


def test_a_folder_of_ftl_yaml_is_looked_at_beside_the_default_one() -> None:
    """Where backups were made before it was set, they are still found; a comma in its name is no other option."""
    stage = Stage(made=False)
    stage.machine.answer(
        "for file in", '"source=/srv/b,x/shop"', answer=CommandOutput(stdout=b"db-20260101-000000.dump 3\n")
    )
    found = asyncio.run(_listed(stage, MOVED))
    assert [one.path for one in found if one.dependency == "db"] == [
        "/srv/b,x/shop/db-20260101-000000.dump",
        NEW.path,
        f"{FOLDER}/db-20250101-031500.dump",
    ]
    stage.machine.answer("for file in", answer=CommandOutput(1, stderr=b"input/output error"))
    with pytest.raises(FtlError, match="cannot be listed"):
        asyncio.run(_listed(stage, MOVED))


def test_a_folder_of_a_release_is_looked_at_without_ftl_yaml() -> None:
    """It may have another path by now, or not be on this machine."""
    stage = Stage(listed=None, made=False)
    stage.machine.answer(
        "for file in", '"source=/srv/b,x/shop"', answer=CommandOutput(stdout=b"db-20260101-000000.dump 3\n")
    )

    async def scenario() -> tuple[StoredBackup, ...]:
        session = await stage.session()
        await ensure_store(session.engine, "proxy")
        recorded = ReleaseRecord("r1", "live", 1.0, backup_folders=("/srv/b,x/",))
        await write_record(session.engine, "shop", recorded)
        return await stored_backups(session, PROJECT)

    assert [one.path for one in asyncio.run(scenario())] == ["/srv/b,x/shop/db-20260101-000000.dump"]


async def _listed(stage: Stage, project: Project) -> tuple[StoredBackup, ...]:
    return await stored_backups(await stage.session(), project)


@pytest.mark.parametrize("file", ["latest", NEW.file])
def test_a_backup_is_fetched_by_its_name_or_as_the_latest(file: str) -> None:
    """Only names that are listed are asked for, so none leads out of the folder."""
    server = Stage()
    assert server.fetch(file) == (NEW.file, b"PGDMP..")
    assert server.machine.commands[-1][-1] == NEW.file


@pytest.mark.parametrize("file", ["../../etc/shadow", "db-20240101-031500.dump"])
def test_another_name_is_refused(file: str) -> None:
    """With the command that lists them."""
    with pytest.raises(UsageError, match="there is no backup") as caught:
        Stage().fetch(file)
    assert "ftl backup --list" in (caught.value.hint or "")


def test_without_backups_there_is_no_latest() -> None:
    """Nor without their folder, which is not made for it, or a job that makes them."""
    for server in (Stage(b""), Stage(None), Stage(None, made=False)):
        with pytest.raises(UsageError, match="no backup of db") as caught:
            server.fetch("latest")
        assert "add `backups` to ftl.yaml" in (caught.value.hint or "")


def test_a_backup_that_comes_in_part_is_an_error() -> None:
    """Nothing is restored from it."""
    with pytest.raises(FtlError, match="cannot be fetched") as caught:
        Stage(data=b"PGD").fetch("latest")
    assert "3 B of 7 B" in (caught.value.cause or "")


def test_the_ends_of_a_backup_are_read_on_the_server() -> None:
    """One that cannot be read, or is shorter than it was listed, is an error."""

    async def ends(answer: CommandOutput) -> StreamEnds:
        server = Stage()
        server.machine.answer("od -An -v", answer=answer)
        session = await server.session()
        folder, backup = await find_backup(session, PROJECT, "db", "latest")
        return await read_ends(session, folder, backup)

    whole = b" 50 47 44 4d 50 2e 2e\n/\n 50 47 44 4d 50 2e 2e\n"
    found = asyncio.run(ends(CommandOutput(stdout=whole)))
    assert (found.head, found.tail, found.size) == (b"PGDMP..", b"PGDMP..", 7)
    for answer in (
        CommandOutput(stdout=b"50/50"),
        CommandOutput(stdout=b"?"),
        CommandOutput(1, whole, b"head: no such file"),
    ):
        with pytest.raises(FtlError, match="cannot be read on server"):
            asyncio.run(ends(answer))
