"""Creation of Swarm services on which the managers agree late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.errors import EngineError

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.calls.services import ServiceSpec

_NOT_AGREED = ("DeadlineExceeded", "does not have a leader")
"""Words of a manager that could not store a change in time (20.10 to 28)."""

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
            return await engine.create_service(service)
        except EngineError as error:
            if attempt == _ATTEMPTS - 1 or not any(words in (error.cause or "") for words in _NOT_AGREED):
                raise
        await asyncio.sleep(_AGREE_SECONDS)
        marks = {key: service.container.labels[key] for key in (labels.PROJECT, labels.RELEASE)}
        for known in await engine.services(labels=marks):
            if known.name == service.name:
                return known.id
    raise AssertionError("the last attempt returns or raises")
