"""Calls to a fake engine: recorded, and made to fail or to wait by the test."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from ftl.engine.api import Engine
from ftl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from ftl.errors import FtlError


@dataclass(slots=True)
class Gate:
    """A call that waits: `reached` tells that it began, and `open` lets it go on."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_(self) -> None:
        """Wait at the gate."""
        self.reached.set()
        await self.open.wait()


@dataclass(frozen=True, slots=True)
class _Fault:
    method: str
    number: int | None
    after: bool
    act: Callable[[], Awaitable[object]]


class RecordedEngine(Engine):
    """An engine whose calls are recorded.

    Attributes:
        calls: "METHOD SUBJECT..." of every call that changes something, in order; `reads` has the others.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = "unix:///fake"
        self.calls: list[str] = []
        self.reads: list[str] = []
        self._faults: list[_Fault] = []
        self._counts: dict[str, int] = {}
        self._numbers = itertools.count(1)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            raise NotImplementedError(f"FakeEngine has no {name}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    def fail(
        self, method: str, error: FtlError | None = None, *, number: int | None = None, after: bool = False
    ) -> None:
        """Let the `number`-th call of a method (each, if None) raise, before or `after` it has done its work."""

        async def act() -> None:
            raise error or EngineError(
                f"the engine on {self.name} could not {method}", status=500, cause="broken"
            )

        self._faults.append(_Fault(method, number, after, act))

    def block(self, method: str, *, number: int | None = None, after: bool = False) -> Gate:
        """Let the `number`-th call of a method (each, if None) wait at the returned gate."""
        gate = Gate()
        self._faults.append(_Fault(method, number, after, gate.pass_))
        return gate

    @asynccontextmanager
    async def _call(self, method: str, *subjects: str, reads: bool = False) -> AsyncIterator[None]:
        (self.reads if reads else self.calls).append(" ".join((method, *subjects)))
        number = self._counts[method] = self._counts.get(method, 0) + 1
        faults = [one for one in self._faults if one.method == method and one.number in (None, number)]
        await asyncio.sleep(0)  # as over a socket: others run, and a cancellation arrives
        for fault in faults:
            if not fault.after:
                await fault.act()
        yield
        for fault in faults:
            if fault.after:
                await fault.act()

    def _refuse(self, status: int, cause: str) -> EngineError:
        return EngineError(f"the engine on {self.name} refused", status=status, cause=cause)


def carries(own: Mapping[str, str], wanted: Mapping[str, str] | None) -> bool:
    """Whether an object has all the labels of a list call's filter."""
    return all(own.get(key) == value for key, value in (wanted or {}).items())
