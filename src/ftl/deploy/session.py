"""A connection to the project's server: the machine, its engine, and what that engine is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.engine import Engine
from ftl.errors import EngineUnavailable, ServerError, at
from ftl.ssh import Local, connect, target_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.config import Server
    from ftl.engine import EngineInfo
    from ftl.ssh import Machine


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection to a server.

    Attributes:
        name: What messages call the server.
    """

    name: str
    machine: Machine
    engine: Engine
    info: EngineInfo


@asynccontextmanager
async def open_session(server: Server) -> AsyncIterator[Session]:
    """Connect to a server and its engine; everything is closed at the end.

    Raises:
        ServerError: It cannot be reached, refuses us, or no engine answers there.
    """
    machine = Local() if server.is_local else connect(target_of(server))
    async with machine:
        with at(server=machine.name):
            url = await machine.engine_url()
            async with Engine(url, name=machine.name, explain=machine.explain) as engine:
                yield Session(machine.name, machine, engine, await _ask(engine, machine.name))


async def _ask(engine: Engine, name: str) -> EngineInfo:
    try:
        return await engine.info()
    except EngineUnavailable as error:
        raise ServerError(
            f"no Docker engine answers on {name}", cause=error.cause or error.message, hint=error.hint
        ) from error
