"""Update of a Swarm object's spec: read, changed, sent back with the version that was read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.common.json_fields import Json, as_int, as_object
from ftl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl.engine.client import Client

_ATTEMPTS = 5
"""An update names the version that it changes; the Swarm counts it up by itself, too."""

_SECONDS = 60.0
_PAUSE = 0.2


async def update_spec(
    client: Client, path: str, edit: Callable[[Json], Mapping[str, object]], *, what: str, verb: str
) -> None:
    """Change the spec of a service or node; once more where another change came between.

    `path` is "services/ID" or "nodes/ID"; errors name `what` ("the service shop-web") and `verb` ("scale").

    Raises:
        EngineError: The engine refused it, or the object changed each time.
    """
    for attempt in range(_ATTEMPTS):
        record = as_object(await client.get_json(f"inspect {what}", path))
        spec = edit(as_object(record.get("Spec")))
        version = as_int(as_object(record.get("Version")).get("Index"))
        try:
            await client.send(
                f"{verb} {what}", "POST", f"{path}/update", {"version": version}, body=spec, seconds=_SECONDS
            )
        except EngineError as error:
            if "update out of sequence" not in (error.cause or "") or attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep(_PAUSE)
        else:
            return
