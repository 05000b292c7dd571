"""Scheduled backups on the server: their list, and a restore from one."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, cast

import pytest

from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.errors import FtlError, UsageError
from ftl.host.session import Session
from ftl.operations.databases.stored import StoredBackup, fetch, find_backup, read_ends, stored_backups
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import Answer, FakeMachine

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.operations.databases.dumps import Ends
    from ftl.ssh.machine import Machine

LISTED = b"db-20250101-031500.dump 5\ndb-20250102-031500.dump 7\ndb-x-20250103-031500.dump 9\ndb-notes 1\n"
NEW = StoredBackup("db", "db-20250102-031500.dump", "2025-01-02T03:15:00Z", 7)


class Server:
    """A server with backups of `db`."""

    def __init__(self, listed: bytes = LISTED, data: bytes = b"PGDMP..", *, made: bool = True) -> None:
        self.machine = FakeMachine()
        self.machine.answer("for file in", answer=Answer(stdout=listed))
        self.machine.answer('cat "/backups/$1"', answer=Answer(stdout=data))
        self._made = made

    async def session(self) -> Session:
        """A session with it."""
        engine = FakeEngine(images=["db"])
        marks = {labels.PROJECT: "shop", labels.ROLE: labels.ROLE_JOB, labels.JOB: "backup.db"}
        if self._made:
            await engine.create("shop.job.backup.db", ContainerSpec(image="db", labels=marks))
        info = await engine.info()
        return Session("server", cast("Machine", self.machine), cast("Engine", engine), info)

    def fetch(self, file: str) -> tuple[str, bytes]:
        """Fetch one of them."""

        async def scenario() -> tuple[str, bytes]:
            sink, session = io.BytesIO(), await self.session()
            folder, backup = await find_backup(session, "shop", "db", file)
            await fetch(session, folder, backup, sink, lambda _: None)
            return backup.file, sink.getvalue()

        return asyncio.run(scenario())


def test_backups_are_listed_newest_first() -> None:
    """Other files in the folder are none."""

    async def scenario() -> tuple[StoredBackup, ...]:
        return await stored_backups(await Server().session(), "shop")

    found = asyncio.run(scenario())
    assert found[0] == NEW
    assert [one.file for one in found] == ["db-20250102-031500.dump", "db-20250101-031500.dump"]


@pytest.mark.parametrize("file", ["latest", NEW.file])
def test_a_backup_is_fetched_by_its_name_or_as_the_latest(file: str) -> None:
    """Only names that are listed are asked for, so none leads out of the folder."""
    server = Server()
    assert server.fetch(file) == (NEW.file, b"PGDMP..")
    assert server.machine.commands[-1][-1] == NEW.file


@pytest.mark.parametrize("file", ["../../etc/shadow", "db-20240101-031500.dump"])
def test_another_name_is_refused(file: str) -> None:
    """With the command that lists them."""
    with pytest.raises(UsageError, match="there is no backup") as caught:
        Server().fetch(file)
    assert "ftl backup --list" in (caught.value.hint or "")


def test_without_backups_there_is_no_latest() -> None:
    """Nor without a job that makes them."""
    for server in (Server(b""), Server(made=False)):
        with pytest.raises(UsageError, match="no backup of db") as caught:
            server.fetch("latest")
        assert "`backups` in ftl.yaml" in (caught.value.hint or "")


def test_a_backup_that_comes_in_part_is_an_error() -> None:
    """Nothing is restored from it."""
    with pytest.raises(FtlError, match="cannot be fetched") as caught:
        Server(data=b"PGD").fetch("latest")
    assert "3 B of 7 B" in (caught.value.cause or "")


def test_the_ends_of_a_backup_are_read_on_the_server() -> None:
    """One that cannot be read, or is shorter than it was listed, is an error."""

    async def ends(answer: Answer) -> Ends:
        server = Server()
        server.machine.answer("od -An", answer=answer)
        session = await server.session()
        folder, backup = await find_backup(session, "shop", "db", "latest")
        return await read_ends(session, folder, backup)

    whole = b" 50 47 44 4d 50 2e 2e\n/\n 50 47 44 4d 50 2e 2e\n"
    found = asyncio.run(ends(Answer(stdout=whole)))
    assert (found.head, found.tail, found.size) == (b"PGDMP..", b"PGDMP..", 7)
    for answer in (Answer(stdout=b"50/50"), Answer(stdout=b"?"), Answer(1, whole, b"head: no such file")):
        with pytest.raises(FtlError, match="cannot be read on server"):
            asyncio.run(ends(answer))
