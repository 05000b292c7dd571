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
from ftl.operations.databases.tools import docker_exec, script_text
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.locks.script_lines import ScriptLock
    from ftl.operations.databases.dumps import DumpKind
    from ftl.operations.databases.sources import Dump


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
    session: Session,
    container: str,
    name: str,
    kind: DumpKind,
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
    tell = progress(name, "restore", emit)
    mode = "drill" if kept == "drill" else "keep"
    if kind.tool == "pg_dump":
        words = ("restore.sh", "restore", kind.tool, mode, kept, *((database,) if database else ()))
        with _hint(_unchanged(name)):
            await dump.feed(DumpReader(session, container, words, name, tell, lock))
        await _replace(session, container, name, kind, mode, kept, lock, database)
        previous = f"; the previous one is kept as `{kept}`" if kept else ""
        with _hint(f"the restored database is in use{previous}"):
            return await count_contents(session, container, kind, database)
    if kind.tool == "redis-cli":
        words = ("restore.sh", "put", kind.tool, mode, str(dump.ends.size))
        with _hint(_unchanged(name)):
            await dump.feed(DumpReader(session, container, words, name, tell, lock))
        await _replace(session, container, name, kind, mode, "", lock)
        await await_ready(session, container, name, kind)
    else:
        await write_over(session, container, name, kind, dump, emit, lock=lock)
    return await count_contents(session, container, kind)


async def write_over(
    session: Session,
    container: str,
    name: str,
    kind: DumpKind,
    dump: Dump,
    emit: Emit,
    *,
    lock: ScriptLock = NO_LOCK,
) -> None:
    """Restore over the data; cut, it is replaced in part.

    Raises:
        FtlError: It failed.
    """
    words = ("restore.sh", "restore", kind.tool, "keep", "")
    await dump.feed(DumpReader(session, container, words, name, progress(name, "restore", emit), lock))


async def missing_roles(session: Session, container: str, dump: Dump) -> tuple[str, tuple[str, ...]]:
    """The user of a PostgreSQL, and the roles that a dump needs and it does not have.

    It is asked with the beginning of the dump, where the schema is; of one that is longer than `SCHEMA_BYTES`,
    those that are found in them.

    Raises:
        FtlError: A backup on the server cannot be read.
        ServerError: The connection was lost, or it takes longer than `SCHEMA_SECONDS`.
    """
    beginning = await dump.beginning(session, SCHEMA_BYTES)
    argv = docker_exec(session, container, "restore.sh", "roles", "pg_dump", "keep", "")
    done = await session.machine.run(argv, stdin=beginning, timeout=SCHEMA_SECONDS)
    user, *roles = done.lines or ("",)
    return user, tuple(roles)


async def _replace(
    session: Session,
    container: str,
    name: str,
    kind: DumpKind,
    mode: str,
    kept: str,
    lock: ScriptLock,
    database: str = "",
) -> None:
    """Replace the data by the restored copy.

    Raises:
        FtlError: It failed; the hint says whether the data is unchanged.
        ServerError: The connection was lost: whether it was done, or is about to be, is not known.
    """
    script = program("ftl.locks", "lock_file.sh") + program(__package__, "replace.sh")
    given = (container, script_text("restore.sh"), kind.tool, mode, kept, *((database,) if database else ()))
    argv = docker_script(session.machine, script, "ftl-restore", *given)
    found_by = (
        f"if a database `{kept or database}` exists in a minute, the restore succeeded; "
        f"otherwise {_unchanged(name)}"
    )
    try:
        done = await session.machine.run(argv, stdin=lock.lines, timeout=REPLACE_SECONDS)
    except FtlError as error:
        if kind.tool == "pg_dump":
            error.hint = f"the server may finish without FTL: {found_by}"
        raise
    unknown = found_by if kind.tool == "pg_dump" else None
    hint = _unchanged(name) if done.exit_code == UNCHANGED else unknown
    done.require(f"the restore of {name} failed", hint=hint)


def _unchanged(name: str) -> str:
    return f"the data of {name} is unchanged"


@contextmanager
def _hint(text: str) -> Iterator[None]:
    """Add a hint to errors, after their own."""
    try:
        yield
    except FtlError as error:
        error.hint = f"{error.hint}; {text}" if error.hint else text
        raise


async def await_ready(session: Session, container: str, name: str, kind: DumpKind) -> None:
    """Wait until a database accepts clients.

    Raises:
        FtlError: It has ended, or does not accept them after `READY_SECONDS`; with its last log lines.
    """
    argv = docker_exec(session, container, "restore.sh", "ready", kind.tool, "keep", "")
    message = f"{name} accepts no clients after {READY_SECONDS:g} s"
    try:
        async with asyncio.timeout(READY_SECONDS):
            while (await session.machine.run(argv, timeout=SCRIPT_SECONDS)).exit_code != 0:
                if has_exited(await session.engine.container(container)):
                    message = f"{name} did not start"
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


async def check_accepts(
    session: Session, container: str, name: str, kind: DumpKind, database: str = ""
) -> bool:
    """Check whether a dump can be restored into a database; returns whether it exists.

    Raises:
        FtlError: It cannot: its image lacks a tool, for example, or its password is another one.
    """
    words = ("accepts", kind.tool, "keep", "", *((database,) if database else ()))
    argv = docker_exec(session, container, "restore.sh", *words)
    done = await session.machine.run(argv, timeout=SCRIPT_SECONDS)
    return done.require(f"{name} cannot be restored").text.strip() != "new"


async def schemas(session: Session, container: str, name: str, kind: DumpKind) -> tuple[str, ...]:
    """The databases of a MariaDB or MySQL, also those without tables; without the system's own.

    Raises:
        FtlError: It does not say.
    """
    argv = docker_exec(session, container, "restore.sh", "schemas", kind.tool, "keep", "")
    done = await session.machine.run(argv, timeout=SCRIPT_SECONDS)
    return tuple(done.require(f"the databases of {name} cannot be listed").text.splitlines())


async def count_contents(session: Session, container: str, kind: DumpKind, database: str = "") -> str:
    """Count a database's tables, collections or keys: "12 tables"; empty where it does not say."""
    words = ("count", kind.tool, "keep", "", *((database,) if database else ()))
    argv = docker_exec(session, container, "restore.sh", *words)
    done = await session.machine.run(argv, timeout=SCRIPT_SECONDS)
    number = done.text.strip()
    return count(int(number), kind.counted) if number.isdecimal() else ""
