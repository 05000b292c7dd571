"""A session with the project's server: the machine, its engine, and the engine's info."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ftl.aio import cancel
from ftl.dataclass import dataclass
from ftl.engine.transport.library import load_aiohttp
from ftl.errors import EngineUnavailable, FtlError, ServerError, at
from ftl.ssh.multiplexing import early
from ftl.ssh.streams import open_sockets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
    from socket import socket

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo
    from ftl.ssh.machine import Machine

T = TypeVar("T")

_LIKELY_SECONDS = 10.0
"""For an answer from the engine's usual socket; after that it is asked again, with all the time that it needs."""

_TRUST_SECONDS = 1.5
"""For the answers to requests that were sent early; after that the server is asked where its engine is."""

_CONNECTIONS = 12
"""Connections opened ahead, one for each call of an observation: over SSH each takes a round trip.

Three of them are for the services, tasks and nodes that a manager of a cluster is asked for.
"""


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection to a server, by the server's name in messages."""

    name: str
    machine: Machine
    engine: Engine
    info: EngineInfo


class Prefetch(Generic[T]):
    """Read of a server's engine that starts before its socket is known.

    Over a kept connection that saves a round trip. The `look` must change nothing, since the engine may turn out to be
    another; the `modules` that it needs are imported while ssh connects.
    """

    def __init__(self, look: Callable[[Engine], Coroutine[Any, Any, T]], modules: Sequence[str] = ()) -> None:
        self.modules = ("ftl.engine.api", *modules)
        self._look = look
        self._engine: Engine | None = None
        self._task: asyncio.Task[T] | None = None

    def begin(self, engine: Engine) -> asyncio.Task[T]:
        """Begin to look at the engine that is likely the server's."""
        self._engine = engine
        self._task = asyncio.create_task(self._look(engine))
        return self._task

    async def result(self, engine: Engine) -> T:
        """The result for the server's engine: of the look ahead, or of one more if it failed."""
        if self._task is not None and engine is self._engine:
            with suppress(FtlError):
                return await self._task
        return await self._look(engine)


@asynccontextmanager
async def open_session(
    machine: Machine, *, ahead: Prefetch[Any] | None = None, streams: bool = True
) -> AsyncIterator[Session]:
    """Connect to a server and its engine; everything is closed at the end.

    What a command that looks ahead asked the last time has been asked already (`ftl.ssh.multiplexing.early`).
    The engine's usual socket is asked already while the machine still reports which socket it is. aiohttp, which takes
    long to load, is loaded while ssh connects; a command that looks ahead only reads, and needs no aiohttp.

    `machine` is not entered yet; `ahead` begins as early as possible; with `streams` calls may follow that need
    aiohttp, such as commands in containers.

    Raises:
        ServerError: It cannot be reached, refuses us, or no engine answers there.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(machine.close)
        ready: list[socket] = []
        stack.callback(_close, ready)
        connecting = asyncio.create_task(_connect(machine, ready))
        stack.push_async_callback(cancel, connecting)
        is_brief = False
        if ahead is None:
            is_brief = await asyncio.to_thread(_may_be_brief, machine.name)
            if streams:
                await asyncio.to_thread(load_aiohttp)
        else:
            await _load(ahead.modules)
        usual = await connecting
        sent = early.take(usual) if usual is not None and ahead is not None else []
        likely = None
        if usual is not None:
            likely = await stack.enter_async_context(_engine(machine, usual, ready, sent, is_brief=is_brief))
        asking = asyncio.create_task(_first_answer(likely))
        stack.push_async_callback(cancel, asking)
        if ahead is not None and likely is not None:
            stack.push_async_callback(cancel, ahead.begin(likely))
        if not (sent and await _is_proved(machine, asking)):
            await stack.enter_async_context(machine)
        stack.enter_context(at(server=machine.name))
        url = await machine.engine_url()
        info = await asking if url == usual else None
        engine = likely
        if engine is None or info is None:
            engine = await stack.enter_async_context(_engine(machine, url, [], [], is_brief=is_brief))
            info = await _ask(engine, machine.name)
        if is_brief:
            from ftl.host.brief_engines import note_refusal

            note_refusal(engine)
        yield Session(machine.name, machine, engine, info)
        if ahead is not None and engine is likely and machine.kept_folder is not None:
            early.note(machine.kept_folder, engine.asked)


async def _connect(machine: Machine, ready: list[socket]) -> str | None:
    """Connect, and open connections to the engine's usual socket; its URL, if there is something to gain."""
    usual = await machine.likely_engine_url()
    if usual is not None:
        ready += open_sockets(usual, _CONNECTIONS)
    return usual


async def _load(modules: Iterable[str]) -> None:
    for module in modules:
        if module not in sys.modules:
            await asyncio.to_thread(import_module, module)


def _may_be_brief(server: str) -> bool:
    from ftl.host.brief_engines import may_be_brief  # takes 14 ms

    return may_be_brief(server)


def _close(sockets: list[socket]) -> None:
    for each in sockets:
        each.close()


def _engine(
    machine: Machine, url: str, ready: list[socket], sent: list[early.Exchange], *, is_brief: bool
) -> Engine:
    # Loaded here, which takes 10 ms, while the connections in `ready` are being opened.
    from ftl.engine.api import Engine

    name, explain = machine.name, machine.explain
    return Engine(url, name=name, explain=explain, ready=ready, sent=sent, brief=is_brief)


async def _is_proved(machine: Machine, asking: asyncio.Task[EngineInfo | None]) -> bool:
    """Whether the engine at the usual socket answers: then the server need not be asked which it is."""
    answered, _ = await asyncio.wait([asking], timeout=_TRUST_SECONDS)
    return bool(answered) and await asking is not None and machine.trust_usual()


async def _first_answer(engine: Engine | None) -> EngineInfo | None:
    """The info of an engine, if it answers; None: it may be at another socket."""
    if engine is None:
        return None
    with suppress(FtlError, TimeoutError):
        async with asyncio.timeout(_LIKELY_SECONDS):
            return await engine.info()
    return None


async def _ask(engine: Engine, name: str) -> EngineInfo:
    try:
        return await engine.info()
    except EngineUnavailable as error:
        raise ServerError(
            f"no Docker engine answers on {name}", cause=error.cause or error.message, hint=error.hint
        ) from error
