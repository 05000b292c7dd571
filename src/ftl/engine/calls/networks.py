"""API calls about networks and their containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_objects, as_str
from ftl.engine import convert
from ftl.engine.calls import body
from ftl.engine.client import Client, checked
from ftl.engine.errors import ignoring
from ftl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiodocker import Docker
    from aiodocker.networks import DockerNetwork

    from ftl.engine.values import Network


async def listed(client: Client, labels: Mapping[str, str] | None) -> list[Network]:
    """`GET /networks`."""
    query = {"filters": body.labelled(labels)}
    items = as_objects(await client.get_json("list its networks", "networks", query))
    return [convert.network(item) for item in items]


async def create(
    client: Client, name: str, labels: Mapping[str, str], subnet: str | None, bridge: str | None
) -> Network:
    """`POST /networks/create`; a conflict means that it exists. Then `GET /networks/{name}`."""
    with ignoring(409):
        async with client.call(f"create the network {name}") as docker:
            await docker.networks.create(body.network(checked(name), labels, subnet, bridge))
    record = await client.get_json(f"inspect the network {name}", f"networks/{checked(name)}")
    return convert.network(as_object(record))


async def gateway_addresses(client: Client) -> dict[str, str]:
    """`GET /networks/docker_gwbridge`: how a node reaches its containers of overlays.

    They leave it by this bridge; their addresses in an overlay are not reachable from it.
    Endpoints there are named after the container's sandbox.
    """
    record = as_object(await client.get_json("inspect docker_gwbridge", "networks/docker_gwbridge"))
    endpoints = map(as_object, as_object(record.get("Containers")).values())
    return {
        as_str(endpoint.get("Name")).removeprefix("gateway_"): as_str(endpoint.get("IPv4Address")).partition(
            "/"
        )[0]
        for endpoint in endpoints
    }


def _handle(docker: Docker, name: str) -> DockerNetwork:
    from aiodocker.networks import DockerNetwork

    return DockerNetwork(docker, checked(name))


async def remove(client: Client, name: str) -> None:
    """`DELETE /networks/{name}`."""
    with ignoring(404):
        async with client.call(f"remove the network {name}") as docker:
            await _handle(docker, name).delete()


async def connect(
    client: Client, network: str, container: str, aliases: Sequence[str], *, address: str | None
) -> None:
    """`POST /networks/{name}/connect`."""
    async with client.call(f"connect {container} to the network {network}") as docker:
        await _handle(docker, network).connect(body.endpoint(container, aliases, address))


async def disconnect(client: Client, network: str, container: str) -> None:
    """`POST /networks/{name}/disconnect`."""
    try:
        async with client.call(f"disconnect {container} from the network {network}") as docker:
            await _handle(docker, network).disconnect({"Container": container, "Force": True})
    except EngineError as error:
        # That it was not connected is reported as an internal error (500; seen on 20.10).
        if error.status != 404 and "is not connected to" not in (error.cause or ""):
            raise
