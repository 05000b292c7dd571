"""Restores over the data (MariaDB, MySQL, MongoDB): the previous state, kept and put back."""

from __future__ import annotations

import asyncio
import shlex
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.errors import FtlError, ServerError
from ftl.events import Note
from ftl.operations.databases.backup import dump_to
from ftl.operations.databases.load import READY_SECONDS, check_accepts, schemas, write_over
from ftl.operations.databases.sources import LocalDump
from ftl.operations.databases.tools import database_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ftl.events import Emit
    from ftl.locks.script_lines import ScriptLock
    from ftl.operations.databases.sources import Dump
    from ftl.operations.databases.tools import RunningDatabase


async def keep_state(running: RunningDatabase, dump: Dump, file: Path, emit: Emit) -> tuple[str, ...] | None:
    """Back up the databases that a dump replaces; None, and no file, if none exists yet.

    Returned are those that it names and that were not backed up: they do not exist yet, or are the system's own.

    Raises:
        FtlError: It failed.
    """
    names = await database_names(running)
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    if running.kind.has_databases and names.own:
        existing = await schemas(running)
        named = await dump.databases(running.session)
        kept = tuple(name for name in named if name in existing)
        left = tuple(name for name in named if name not in existing)
        if not kept and (named or names.own not in existing):
            return None
    await dump_to(running, kept, file, emit)
    return left


@asynccontextmanager
async def puts_back(
    running: RunningDatabase, file: Path, left: tuple[str, ...], lock: ScriptLock, emit: Emit
) -> AsyncIterator[None]:
    """Put the kept state back if this block fails; the error says which state the data is in.

    `left` are databases of the dump that the file does not have. A database that has crashed gets time to start again.
    Not where FTL is stopped, or has no connection: the error, or a note, has the command that does it.

    Raises:
        FtlError: That of the block.
    """
    name = running.name
    command = ftl(f"restore {name} {shlex.quote(str(file))}")
    partly = f"the data of {name} may be replaced in part: {command} restores the previous state"
    try:
        yield
    except ServerError as error:
        error.add_hint(partly)
        raise
    except asyncio.CancelledError:
        emit(Note(partly, "warning"))
        raise
    except FtlError as error:
        emit(Note(f"{error.message}: restoring the previous state", "warning"))
        try:
            with file.open("rb") as kept:
                back = LocalDump(str(file), kept)
                await _await_accepts(running)
                await write_over(running, back, emit, lock=lock)
        except (FtlError, OSError) as again:
            why = again.summary if isinstance(again, FtlError) else str(again)
            failed = f"restoring the previous state failed, too: {why}"
            error.cause = f"{error.cause}\n{failed}" if error.cause else failed
            error.add_hint(partly)
        except asyncio.CancelledError:
            emit(Note(partly, "warning"))
            raise
        else:
            but = f", except {', '.join(left)}" if left else ""
            error.add_hint(f"the data of {name} has its previous state again (from {file}){but}")
        raise


async def _await_accepts(running: RunningDatabase) -> None:
    """Wait until a restore can begin, for as long as a database gets to start.

    Raises:
        FtlError: It cannot, for another reason or still.
    """
    until = asyncio.get_running_loop().time() + READY_SECONDS
    while True:
        try:
            await check_accepts(running)
        except ServerError:
            raise
        except FtlError:
            if asyncio.get_running_loop().time() > until:
                raise
            await asyncio.sleep(1)
        else:
            return
