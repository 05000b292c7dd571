"""Restores over the data (MariaDB, MySQL, MongoDB): the previous state, kept and put back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.errors import FtlError, ServerError
from ftl.events import Note
from ftl.operations.databases.backup import dump_to
from ftl.operations.databases.load import write_over
from ftl.operations.databases.sources import LocalDump
from ftl.operations.databases.tools import database_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ftl.events import Emit
    from ftl.locks.script_lines import ScriptLock
    from ftl.operations.databases.backup import DumpSource
    from ftl.operations.databases.sources import Dump


async def keep_state(source: DumpSource, dump: Dump, file: Path, emit: Emit) -> bool:
    """Back up the databases that a dump replaces; False, and no file, if none exists yet.

    Raises:
        FtlError: It failed.
    """
    names = await database_names(source.session, source.container, source.name, source.kind)
    kept: tuple[str, ...] = ()
    if source.kind.has_databases and names.own:
        there = (names.own, *names.others)
        named = await dump.databases(source.session)
        kept = tuple(name for name in named if name in there)
        if named and not kept:
            return False
    await dump_to(source, kept, file, emit)
    return True


@asynccontextmanager
async def puts_back(source: DumpSource, file: Path, lock: ScriptLock, emit: Emit) -> AsyncIterator[None]:
    """Put the kept state back if this block fails; the error says which state the data is in.

    Not where FTL is stopped, or has no connection: the error, or a note, has the command that does it.

    Raises:
        FtlError: That of the block.
    """
    name = source.name
    command = ftl(f"restore {name} {file}")
    partly = f"the data of {name} may be replaced in part: {command} restores the previous state"
    try:
        yield
    except ServerError as error:
        _add_hint(error, partly)
        raise
    except asyncio.CancelledError:
        emit(Note(partly, "warning"))
        raise
    except FtlError as error:
        emit(Note(f"{error.message}: restoring the previous state", "warning"))
        try:
            with file.open("rb") as kept:
                back = LocalDump(str(file), kept)
                await write_over(
                    source.session, source.container.id, name, source.kind, back, emit, lock=lock
                )
        except (FtlError, OSError) as again:
            why = again.summary if isinstance(again, FtlError) else str(again)
            failed = f"restoring the previous state failed, too: {why}"
            error.cause = f"{error.cause}\n{failed}" if error.cause else failed
            _add_hint(error, partly)
        except asyncio.CancelledError:
            emit(Note(partly, "warning"))
            raise
        else:
            _add_hint(error, f"the data of {name} has its previous state again (from {file})")
        raise


def _add_hint(error: FtlError, text: str) -> None:
    error.hint = f"{error.hint}; {text}" if error.hint else text
