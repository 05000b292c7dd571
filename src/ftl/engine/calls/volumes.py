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


async def listed(client: Client, labels: Mapping[str, str] | None) -> list[Volume]:
    """`GET /volumes`."""
    query = {"filters": body.labelled(labels)}
    answer = as_object(await client.get_json("list its volumes", "volumes", query))
    return [convert.volume(item) for item in as_objects(answer.get("Volumes"))]


async def create(client: Client, name: str, labels: Mapping[str, str]) -> None:
    """`POST /volumes/create`."""
    async with client.call(f"create the volume {name}") as docker:
        await docker.volumes.create({"Name": checked(name), "Labels": dict(labels)})


async def remove(client: Client, name: str) -> None:
    """`DELETE /volumes/{name}`."""
    with ignoring(404):
        async with client.call(f"remove the volume {name}") as docker:
            from aiodocker.volumes import DockerVolume

            await DockerVolume(docker, checked(name)).delete()
