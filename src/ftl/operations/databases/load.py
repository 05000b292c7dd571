"""Load of a dump into a database's container, which is ready before and is counted after it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ftl.common.figures import count
from ftl.common.programs import program
from ftl.errors import EngineError, FtlError
from ftl.health.diagnosis import has_exited
from ftl.locks.script_lines import NO_LOCK
from ftl.operations.databases.backup import progress
from ftl.operations.databases.sources import DumpReader
from ftl.operations.databases.tools import script_text
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.child import Completed
    from ftl.events import Emit
    from ftl.locks.script_lines import ScriptLock
    from ftl.operations.databases.sources import Dump
    from ftl.operations.databases.tools import RunningDatabase


READY_SECONDS = 120.0
"""Time that a database gets to start."""

LOG_LINES = 15
"""Last lines of the log of a database that does not start."""

SCRIPT_SECONDS = 60.0
"""Time for a script that answers at once."""

REPLACE_SECONDS = 1100.0
"""Time for replace.sh, where Redis saves and restarts, or PostgreSQL waits for clients.

Less, and the restore fails although the server goes on and replaces the data.
"""

SCHEMA_BYTES = 4 * 1024 * 1024
"""As much of a dump of PostgreSQL as is looked through for roles."""

SCHEMA_SECONDS = 600.0

UNCHANGED = 3
"""Exit status of replace.sh where the data is unchanged."""


async def load_dump(
    running: RunningDatabase,
    dump: Dump,
    kept: str,
    emit: Emit,
    *,
    database: str = "",
    lock: ScriptLock = NO_LOCK,
) -> str:
    """Restore into a container; returns its number of tables or the like.

    PostgreSQL and Redis get the dump beside their data first, then one script on the server gives it its place. Cut
    before that script, nothing has changed; the script goes on without us. `kept` is what the replaced database of
    PostgreSQL is called afterwards, empty if there is none yet; "drill" in a throwaway container. `database` is one of
    PostgreSQL beside the dependency's own. `lock` is of a deploy lock on this server that we have: what goes on when we
    are gone keeps it.

    Raises:
        FtlError: It failed. The hint says what became of the data of PostgreSQL and Redis.
    """
    tell = progress(running.name, "restore", emit)
    tool, mode = running.kind.tool, "drill" if kept == "drill" else "keep"
    if tool == "pg_dump":
        words = ("restore.sh", "restore", tool, mode, kept, *_given(database))
        with _hint(_unchanged(running)):
            await dump.feed(DumpReader(running, words, tell, lock))
        await _replace(running, mode, kept, lock, database)
        previous = f"; the previous one is kept as `{kept}`" if kept else ""
        with _hint(f"the restored database is in use{previous}"):
            return await count_contents(running, database)
    if tool == "redis-cli":
        words = ("restore.sh", "put", tool, mode, str(dump.ends.size))
        with _hint(_unchanged(running)):
            await dump.feed(DumpReader(running, words, tell, lock))
        await _replace(running, mode, "", lock)
        await await_ready(running)
    else:
        await write_over(running, dump, emit, lock=lock)
    return await count_contents(running)


async def write_over(running: RunningDatabase, dump: Dump, emit: Emit, *, lock: ScriptLock) -> None:
    """Restore over the data; cut, it is replaced in part.

    Raises:
        FtlError: It failed.
    """
    words = ("restore.sh", "restore", running.kind.tool, "keep", "")
    await dump.feed(DumpReader(running, words, progress(running.name, "restore", emit), lock))


async def missing_roles(running: RunningDatabase, dump: Dump) -> tuple[str, tuple[str, ...]]:
    """The user of a PostgreSQL, and the roles that a dump needs and it does not have.

    It is asked with the beginning of the dump, where the schema is; of one that is longer than `SCHEMA_BYTES`,
    those that are found in them.

    Raises:
        FtlError: A backup on the server cannot be read.
        ServerError: The connection was lost, or it takes longer than `SCHEMA_SECONDS`.
    """
    beginning = await dump.beginning(running.session, SCHEMA_BYTES)
    argv = _question(running, "roles")
    done = await running.session.machine.run(argv, stdin=beginning, timeout=SCHEMA_SECONDS)
    user, *roles = done.lines or ("",)
    return user, tuple(roles)


async def _replace(
    running: RunningDatabase, mode: str, kept: str, lock: ScriptLock, database: str = ""
) -> None:
    """Replace the data by the restored copy.

    Raises:
        FtlError: It failed; the hint says whether the data is unchanged.
        ServerError: The connection was lost: whether it was done, or is about to be, is not known.
    """
    machine, tool, unchanged = running.session.machine, running.kind.tool, _unchanged(running)
    script = program("ftl.locks", "lock_file.sh") + program(__package__, "replace.sh")
    given = (running.container, script_text("restore.sh"), tool, mode, kept, *_given(database))
    argv = docker_script(machine, script, "ftl-restore", *given)
    found_by = (
        f"if a database `{kept or database}` exists in a minute, the restore succeeded; otherwise {unchanged}"
    )
    try:
        done = await machine.run(argv, stdin=lock.lines, timeout=REPLACE_SECONDS)
    except FtlError as error:
        if tool == "pg_dump":
            error.hint = f"the server may finish without FTL: {found_by}"
        raise
    unknown = found_by if tool == "pg_dump" else None
    hint = unchanged if done.exit_code == UNCHANGED else unknown
    done.require(f"the restore of {running.name} failed", hint=hint)


def _unchanged(running: RunningDatabase) -> str:
    return f"the data of {running.name} is unchanged"


@contextmanager
def _hint(text: str) -> Iterator[None]:
    """Add a hint to errors, after their own."""
    try:
        yield
    except FtlError as error:
        error.add_hint(text)
        raise


async def await_ready(running: RunningDatabase) -> None:
    """Wait until a database accepts clients.

    Raises:
        FtlError: It has ended, or does not accept them after `READY_SECONDS`; with its last log lines.
    """
    session, container = running.session, running.container
    message = f"{running.name} accepts no clients after {READY_SECONDS:g} s"
    try:
        async with asyncio.timeout(READY_SECONDS):
            while (await _ask(running, "ready")).exit_code != 0:
                if has_exited(await session.engine.container(container)):
                    message = f"{running.name} did not start"
                    break
                await asyncio.sleep(0.5)
            else:
                return
    except TimeoutError:
        pass
    with suppress(EngineError):
        lines = [line.text async for line in session.engine.logs(container, tail=LOG_LINES)]
        raise FtlError(message).with_details(lines or ["it logged nothing"])
    raise FtlError(message)


async def check_accepts(running: RunningDatabase, database: str = "") -> bool:
    """Check whether a dump can be restored into a database; returns whether it exists.

    Raises:
        FtlError: It cannot: its image lacks a tool, for example, or its password is another one.
    """
    done = await _ask(running, "accepts", database)
    return done.require(f"{running.name} cannot be restored").text.strip() != "new"


async def schemas(running: RunningDatabase) -> tuple[str, ...]:
    """The databases of a MariaDB or MySQL, also those without tables; without the system's own.

    Raises:
        FtlError: It does not say.
    """
    done = await _ask(running, "schemas")
    return tuple(done.require(f"the databases of {running.name} cannot be listed").text.splitlines())


async def count_contents(running: RunningDatabase, database: str = "") -> str:
    """Count a database's tables, collections or keys: "12 tables"; empty where it does not say."""
    number = (await _ask(running, "count", database)).text.strip()
    return count(int(number), running.kind.counted) if number.isdecimal() else ""


async def _ask(running: RunningDatabase, question: str, database: str = "") -> Completed:
    argv = _question(running, question, database)
    return await running.session.machine.run(argv, timeout=SCRIPT_SECONDS)


def _question(running: RunningDatabase, question: str, database: str = "") -> list[str]:
    """Command line of a question to restore.sh, which changes nothing."""
    return running.command("restore.sh", question, running.kind.tool, "keep", "", *_given(database))


def _given(database: str) -> tuple[str, ...]:
    return (database,) if database else ()
