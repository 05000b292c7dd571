"""API calls about named volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_objects
from ftl.engine import convert
from ftl.engine.calls import body
from ftl.engine.client import Client, checked
from ftl.engine.errors import ignoring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.values import Volume


class VolumeCalls:
    """Calls about named volumes."""

    _client: Client

    async def volumes(self, *, labels: Mapping[str, str] | None = None) -> list[Volume]:
        """All volumes with these labels."""
        query = {"filters": body.labelled(labels)}
        answer = as_object(await self._client.get_json("list its volumes", "volumes", query))
        return [convert.volume(item) for item in as_objects(answer.get("Volumes"))]

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> Volume:
        """Create a named volume; an existing one is returned unchanged, with the labels that it has."""
        made = {"Name": checked(name), "Labels": dict(labels)}
        answer = await self._client.send(f"create the volume {name}", "POST", "volumes/create", body=made)
        return convert.volume(as_object(answer))

    async def remove_volume(self, name: str) -> None:
        """Remove a volume and its content; a missing one is no error."""
        with ignoring(404):
            await self._client.send(f"remove the volume {name}", "DELETE", f"volumes/{checked(name)}")
