"""API calls about networks and their containers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_objects, as_str
from ftl.engine import convert
from ftl.engine.calls import body
from ftl.engine.client import Client, checked
from ftl.engine.errors import ignoring
from ftl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.values import Network

_NO_ADDRESS = ("attaching to network failed", "deadline exceeded")
"""Words of an engine whose managers gave a container no address in time (20 s, seen on 26.1)."""

_ATTEMPTS = 3
_PAUSE = 1.0


class NetworkCalls:
    """Calls about networks, and the containers in them."""

    _client: Client

    async def networks(self, *, labels: Mapping[str, str] | None = None) -> list[Network]:
        """All networks with these labels."""
        query = {"filters": body.labelled(labels)}
        items = as_objects(await self._client.get_json("list its networks", "networks", query))
        return [convert.network(item) for item in items]

    async def create_network(
        self, name: str, labels: Mapping[str, str], subnet: str | None = None, bridge: str | None = None
    ) -> Network:
        """Create a bridge network, or return the one that has this name: two round trips.

        An existing one keeps its labels. Without `subnet` ("10.83.0.0/24") the engine chooses; `bridge` is the name of
        its interface on the server, at most 15 characters, else "br-" and its ID.
        """
        made = body.network(checked(name), labels, subnet, bridge)
        with ignoring(409):
            await self._client.send(f"create the network {name}", "POST", "networks/create", body=made)
        record = await self._client.get_json(f"inspect the network {name}", f"networks/{name}")
        return convert.network(as_object(record))

    async def remove_network(self, name: str) -> None:
        """Remove a network; a missing one is no error."""
        with ignoring(404):
            await self._client.send(f"remove the network {name}", "DELETE", f"networks/{checked(name)}")

    async def connect(
        self, network: str, container: str, aliases: Sequence[str] = (), address: str | None = None
    ) -> None:
        """Connect a container to one more network.

        An address needs a network that was created with a subnet; None: any.
        """
        action, path = f"connect {container} to the network {network}", f"networks/{checked(network)}/connect"
        await self._send_attaching(action, path, body.endpoint(container, aliases, address))

    async def _send_attaching(
        self, action: str, path: str, settings: Mapping[str, object] | None = None
    ) -> None:
        """POST a call by which a running container may come into an overlay.

        It gets its address from a manager of the Swarm: where that takes too long, the call is made again, twice.
        """
        for attempt in range(_ATTEMPTS):
            try:
                await self._client.send(action, "POST", path, body=settings)
            except EngineError as error:
                if attempt == _ATTEMPTS - 1 or not all(words in (error.cause or "") for words in _NO_ADDRESS):
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def disconnect(self, network: str, container: str) -> None:
        """Disconnect a container from a network.

        A container that is not connected, and a missing container or network, are no error.
        """
        action = f"disconnect {container} from the network {network}"
        path = f"networks/{checked(network)}/disconnect"
        try:
            await self._client.send(action, "POST", path, body={"Container": container, "Force": True})
        except EngineError as error:
            # That it was not connected is reported as an internal error (500; seen on 20.10).
            if error.status != 404 and "is not connected to" not in (error.cause or ""):
                raise

    async def gateway_addresses(self) -> dict[str, str]:
        """Addresses at which the machine reaches its containers of overlay networks.

        They leave those by the bridge docker_gwbridge; their addresses in an overlay are not reachable from the
        machine.

        Returns:
            Beginning of `ContainerState.sandbox` (12 characters), after which the endpoints are named -> address.
        """
        record = as_object(await self._client.get_json("inspect docker_gwbridge", "networks/docker_gwbridge"))
        return {
            as_str(end.get("Name")).removeprefix("gateway_"): as_str(end.get("IPv4Address")).partition("/")[0]
            for end in map(as_object, as_object(record.get("Containers")).values())
        }
