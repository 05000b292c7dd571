"""Creation of Swarm services on which the managers agree late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.engine.errors import is_leaderless
from ftl.errors import EngineError

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.calls.services import ServiceSpec

_LATE = "DeadlineExceeded"
"""Word of a manager that could not store a change in time (20.10 to 28)."""

_TAKEN = "name conflicts"
"""Words of a manager for a service that is there, by an attempt on which they agreed meanwhile (20.10 to 28)."""

_ATTEMPTS = 4
_AGREE_SECONDS = 3.0


async def create_agreed(engine: Engine, service: ServiceSpec) -> str:
    """Create a Swarm service, again where the managers did not agree in time; its ID.

    So it is while they choose another leader, and on servers with a high load. They may have agreed after the answer:
    then the service is there.

    Raises:
        EngineError: The engine refused it, or they did not agree each time.
    """
    for attempt in range(_ATTEMPTS):
        try:
            if attempt and (known := await _find(engine, service)):
                return known
            return await engine.create_service(service)
        except EngineError as error:
            cause = error.cause or ""
            late = is_leaderless(error) or _LATE in cause or (attempt > 0 and _TAKEN in cause)
            if attempt == _ATTEMPTS - 1 or not late:
                raise
        await asyncio.sleep(_AGREE_SECONDS)
    raise AssertionError("the last attempt returns or raises")


async def _find(engine: Engine, service: ServiceSpec) -> str | None:
    """The ID of the service, if it is there."""
    marks = {key: service.container.labels[key] for key in (labels.PROJECT, labels.RELEASE)}
    services = await engine.services(labels=marks)
    return next((known.id for known in services if known.name == service.name), None)
