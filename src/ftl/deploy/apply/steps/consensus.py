"""Changes of a Swarm on which its managers agree late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from ftl.engine import labels
from ftl.engine.errors import is_leaderless
from ftl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from ftl.engine.api import Engine
    from ftl.engine.calls.services import ServiceSpec

T = TypeVar("T")

_LATE = "DeadlineExceeded"
"""Word of a manager that could not store a change in time (20.10 to 28)."""

_TAKEN = ("name conflicts", "already exists")
"""Errors of a manager for a service and a config that exist (20.10 to 28; swarmkit's controlapi)."""

_ATTEMPTS = 4
_LOOKS = 3
_AGREE_SECONDS = 3.0


async def with_consensus(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call of a manager, again where the managers did not agree in time.

    So it is while they choose another leader, and on servers with a high load. The call may be done twice: a look, or a
    change to what may be so already.

    Raises:
        EngineError: The engine refused it, or they did not agree each time.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return await call()
        except EngineError as error:
            if not _is_late(error):
                raise
        await asyncio.sleep(_AGREE_SECONDS)
    return await call()


def is_taken(error: EngineError) -> bool:
    """Whether something has that name: perhaps by an attempt on which they agreed meanwhile."""
    return any(words in (error.cause or "") for words in _TAKEN)


def _is_late(error: EngineError) -> bool:
    return is_leaderless(error) or _LATE in (error.cause or "")


class SwarmServiceCreation:
    """One creation of a Swarm service, by a manager's engine.

    `known` are IDs of services that existed before: one of the same name is not this one.
    """

    def __init__(self, engine: Engine, service: ServiceSpec, known: Collection[str] = ()) -> None:
        self._engine = engine
        self._service = service
        self._known = known
        self._id = ""
        self._may_exist = False

    async def create(self) -> str:
        """Create it, again where the managers did not agree in time; its ID.

        They may have agreed after the answer: then the service exists.

        Raises:
            EngineError: The engine refused it, or they did not agree each time.
        """
        for attempt in range(_ATTEMPTS):
            try:
                self._id = (await self._find() if attempt else "") or await self._engine.create_service(
                    self._service
                )
            except EngineError as error:
                late = _is_late(error) or (attempt > 0 and is_taken(error))
                # Without an answer (0) and after an error of its own (500) an engine may have stored it.
                self._may_exist |= not 400 <= error.status < 500
                if attempt == _ATTEMPTS - 1 or not late:
                    raise
            else:
                return self._id
            await asyncio.sleep(_AGREE_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    async def remove(self) -> None:
        """Remove it, also where its creation failed for us although the managers stored it.

        Their answer was late, or lost with the connection. They may still agree while this looks.

        Raises:
            EngineError: They do not answer, or do not remove it.
        """
        for look in range(_LOOKS if self._may_exist and not self._id else 0):
            if look:
                await asyncio.sleep(_AGREE_SECONDS)
            self._id = await self._find()
            if self._id:
                break
        if self._id:
            await self._engine.remove_service(self._id)

    async def _find(self) -> str:
        """The ID of the service, if the managers know it by now."""
        label_map = {key: self._service.container.labels[key] for key in (labels.PROJECT, labels.RELEASE)}
        services = await self._engine.services(labels=label_map)
        own = (one.id for one in services if one.name == self._service.name and one.id not in self._known)
        return next(own, "")
