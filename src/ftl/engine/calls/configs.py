"""API calls about the configs of a Swarm: small files that all its managers have."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from ftl.common.json_fields import Json, as_object, as_objects, as_str, as_str_map
from ftl.dataclass import dataclass
from ftl.engine.calls import body
from ftl.engine.client import checked
from ftl.engine.errors import ignoring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.client import Client


@dataclass(frozen=True, slots=True)
class SwarmConfig:
    """A config of a Swarm; its content never changes."""

    id: str
    name: str
    labels: Mapping[str, str]
    data: bytes


class SwarmConfigs:
    """The configs of an engine's Swarm. Only managers answer, and only with a leader.

    They travel between managers by mutual TLS, and lie encrypted on their disks (Swarm's Raft log).
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(self, labels: Mapping[str, str]) -> list[SwarmConfig]:
        """List those with all of these labels."""
        query = {"filters": body.labelled(labels)}
        items = as_objects(await self._client.get_json("list the configs of its swarm", "configs", query))
        return [_config(item) for item in items]

    async def create(self, name: str, data: bytes, labels: Mapping[str, str]) -> str:
        """Create one; its ID. An engine takes 500 kB at most (20.10)."""
        content = base64.b64encode(data).decode()
        spec = {"Name": checked(name), "Labels": dict(labels), "Data": content}
        answer = await self._client.send(f"create the config {name}", "POST", "configs/create", body=spec)
        return as_str(as_object(answer).get("ID"))

    async def remove(self, config: str) -> None:
        """Remove one by its ID; a missing one is no error."""
        with ignoring(404):
            await self._client.send(f"remove the config {config}", "DELETE", f"configs/{checked(config)}")


def _config(item: Json) -> SwarmConfig:
    spec = as_object(item.get("Spec"))
    try:
        data = base64.b64decode(as_str(spec.get("Data")), validate=True)
    except binascii.Error:
        data = b""
    return SwarmConfig(as_str(item.get("ID")), as_str(spec.get("Name")), as_str_map(spec.get("Labels")), data)
