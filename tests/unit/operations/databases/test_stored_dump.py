"""A restore from a backup that lies on the server: its progress, and its limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from ftl.errors import FtlError
from ftl.host.backup_folders import BackupFolder
from ftl.host.session import Session
from ftl.operations.databases.backup import STALL_SECONDS, read_chunks
from ftl.operations.databases.dumps import KINDS, StreamEnds
from ftl.operations.databases.sources import FINISH_SECONDS, DumpReader, StoredDump
from ftl.operations.databases.tools import RunningDatabase
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine, FakeProcess

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.ssh.machine import Machine

DUMP = StoredDump("db.dump", StreamEnds(size=90), BackupFolder("/var/backups/ftl/shop", "sha256:1"), "shop")


async def fed(answer: CommandOutput, told: list[int], processes: list[FakeProcess] | None = None) -> None:
    """Feed it to a command."""
    machine = FakeMachine()
    machine.answer("ftl-dump", answer=answer)
    session = Session("server", cast("Machine", machine), cast("Engine", None), await FakeEngine().info())
    running = RunningDatabase(session, "db", "db", KINDS["redis-cli"])
    try:
        await DUMP.feed(DumpReader(running, ["restore.sh", "put"], told.append))
    finally:
        if processes is not None:
            processes += machine.processes


def test_a_restore_on_the_server_tells_how_far_it_is() -> None:
    """What else comes on stderr is why it failed."""
    told: list[int] = []
    lines = b"ftl-read 10\nftl-read 10\nftl-read 90\n"
    asyncio.run(fed(CommandOutput(stdout=b"ready\n", stderr=lines), told))
    assert told == [10, 90]
    failed = CommandOutput(1, b"ready\n", b"ftl-read 10\npg_restore: no\nftl-read 20\nand no\n")
    with pytest.raises(FtlError, match="the restore of db failed") as caught:
        asyncio.run(fed(failed, told))
    assert caught.value.cause == "pg_restore: no\nand no"


@pytest.mark.parametrize(
    ("size", "seconds", "text"),
    [
        (10, STALL_SECONDS, "it read nothing for 1 h 0 min after 10 B"),
        (90, FINISH_SECONDS, "it read nothing for 24 h 0 min after 90 B"),
    ],
)
def test_a_restore_on_the_server_that_stands_still_is_given_up(size: int, seconds: float, text: str) -> None:
    """Lines without progress are no life; a database that has the whole dump builds indexes, which takes long.

    It had been told to go on, since the reader was there.
    """

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        processes: list[FakeProcess] = []
        lines = f"ftl-read {size}\n".encode() * 2
        with pytest.raises(FtlError, match="the restore of db failed") as caught:
            await fed(CommandOutput(stdout=b"ready\n", stderr=lines, stays=True), [], processes)
        assert (caught.value.cause or "").startswith(text)
        assert b"go\n" in [process.received for process in processes]
        assert seconds <= loop.time() < seconds + 10

    run(scenario())


def test_a_dump_that_stands_still_is_given_up() -> None:
    """One that waits for a lock would never end."""

    class Waiting(FakeProcess):
        """A process that has written something, and writes nothing more."""

        def __init__(self) -> None:
            super().__init__(CommandOutput(stays=True))
            self.stdout = asyncio.StreamReader()
            self.stdout.feed_data(b"PGDMP")

    async def scenario() -> None:
        chunks = read_chunks(Waiting(), "the backup of db failed")
        assert await anext(chunks) == b"PGDMP"
        with pytest.raises(FtlError, match="the backup of db failed") as caught:
            await anext(chunks)
        assert caught.value.cause == "no data for 1 h 0 min after 5 B"

    run(scenario())
