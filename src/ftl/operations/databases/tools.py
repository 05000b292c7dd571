"""Tools of a database that run in its container, and end when FTL does."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import FtlError
from ftl.locks.script_lines import NO_LOCK
from ftl.operations.watchdog import HEARTBEAT_TIMEOUT, watched
from ftl.proxy.docker_script import docker_script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.host.session import Session
    from ftl.locks.script_lines import ScriptLock
    from ftl.operations.databases.dumps import DumpKind

LIST_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class RunningDatabase:
    """A database in a container: that of a dependency, or a throwaway.

    Attributes:
        container: The container's ID.
        name: The dependency, for messages.
    """

    session: Session
    container: str
    name: str
    kind: DumpKind

    def command(self, script: str, *arguments: str, token: str = "") -> list[str]:
        """Command line that runs a script of this package in the container."""
        return docker_exec(self.session, self.container, script, *arguments, token=token)


@dataclass(frozen=True, slots=True)
class DatabaseNames:
    """The databases of a dependency.

    Attributes:
        own: The one that its env names, and a backup without a name is of; empty: a dump has all.
        others: Others that have tables. What a restore has left is none.
    """

    own: str
    others: tuple[str, ...]


async def database_names(running: RunningDatabase) -> DatabaseNames:
    """Ask a dependency for its databases.

    Raises:
        FtlError: It does not say.
    """
    argv = running.command("dump.sh", "databases", running.kind.tool)
    done = await running.session.machine.run(argv, timeout=LIST_SECONDS)
    own, *others = done.require(f"the databases of {running.name} cannot be listed").text.splitlines() or [""]
    return DatabaseNames(own, tuple(others))


@asynccontextmanager
async def ends_with_us(session: Session, container: str, lock: ScriptLock = NO_LOCK) -> AsyncIterator[str]:
    """Have the server end a tool in a container if this block fails, or FTL is gone.

    Left alone it would hold its snapshot and its locks, or wait for one. One that changes the data keeps a lock until
    it has ended. The token marks the tool and all that it starts, for `exec_words`.

    Raises:
        FtlError: That of the block; its hint says so where the tool was ended since this machine slept.
    """
    token = secrets.token_hex(16)
    async with watched(session.machine, "tool", container, token, lock=lock) as heartbeats:
        try:
            yield token
        except FtlError as error:
            if heartbeats.paused:
                silence = f"no heartbeat from this machine for {HEARTBEAT_TIMEOUT} s"
                ended = f"{session.machine.name} ended it: {silence}"
                error.add_hint(ended)
            raise


def exec_words(container: str, script: str, *arguments: str, token: str = "") -> tuple[str, ...]:
    """Arguments of docker that run a script of this package in a container."""
    token_option = ("-e", f"FTL_EXEC={token}") if token else ()
    return ("exec", "-i", *token_option, container, "sh", "-c", script_text(script), "sh", *arguments)


def docker_exec(session: Session, container: str, script: str, *arguments: str, token: str = "") -> list[str]:
    """Command line that runs a script of this package in a container."""
    words = exec_words(container, script, *arguments, token=token)
    return docker_script(session.machine, 'docker_attached "$@"', "ftl-dump", *words)


def script_text(script: str) -> str:
    """A script of this package that runs in a container."""
    if script == "restore.sh":
        return program("ftl.host", "scripts/database_tools.sh") + program(__package__, script)
    return program("ftl.host", "scripts/database_tools.sh", "scripts/dump.sh")
