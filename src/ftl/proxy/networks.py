"""Networks between the proxy and a project's containers."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.common.next_step import ftl
from ftl.engine import labels
from ftl.errors import EngineError, FtlError
from ftl.proxy.names import networks_of, overlay_network, project_bridge, project_network
from ftl.proxy.reconnect import reconnect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.engine.api import Engine
    from ftl.engine.values import Endpoint, Network
    from ftl.proxy.site import Site
    from ftl.ssh.machine import Machine

_ATTEMPTS = 3
_NOT_FOUND = 404


async def ensure_project_network(engine: Engine, project: str) -> Network:
    """The project's network, created with an explicit subnet if it does not exist.

    Docker lets a container choose its address only in networks with an explicit subnet, and the proxy must keep its
    address when it is reconnected under more aliases. Docker chooses the subnet, in a first creation that is undone
    (once in a project's life).

    Raises:
        EngineError: From the engine; for example when its address pools are exhausted.
        FtlError: The name is taken by somebody else's network.
    """
    name = project_network(project)
    existing = await _find(engine, name)
    if existing is not None:
        if existing.labels.get(labels.PROJECT) != project:
            raise FtlError(
                f"the network name {name} is taken on {engine.name} by a network that FTL did not create",
                hint=f"`docker network rm {name}` on the server removes it",
            )
        return existing
    own_labels = {labels.PROJECT: project, labels.ROLE: labels.ROLE_NETWORK}
    bridge = project_bridge(project)
    for _ in range(_ATTEMPTS):
        chosen = await engine.create_network(name, own_labels, bridge=bridge)
        subnet = _ipv4(chosen)
        if subnet is None:
            return chosen
        await engine.remove_network(name)
        try:
            return await engine.create_network(name, own_labels, subnet=subnet, bridge=bridge)
        except EngineError:
            # Another network was given the same subnet in between: choose again.
            continue
    return await engine.create_network(name, own_labels, bridge=bridge)


async def with_subnets(engine: Engine, site: Site) -> Site:
    """The site with its network's subnets; in a cluster those of the network of all servers.

    After a way from the one to the other both may exist.
    """
    name = project_network(site.project) if site.place is None else overlay_network(site.project)
    known = (network.subnets for network in await engine.networks() if network.name == name)
    return replace(site, subnets=next(known, site.subnets))


async def ensure_connected(
    engine: Engine,
    machine: Machine,
    container: str,
    network: str,
    aliases: frozenset[str],
    without: frozenset[str] = frozenset(),
) -> None:
    """Ensure that the proxy is in a network under these aliases, at an unchanged address.

    It keeps the aliases that it has, other than `without`. An alias cannot be added to an endpoint: the proxy is
    disconnected and connected again. With the same address its TCP connections survive the gap of a few hundred
    milliseconds by retransmission. The server does both by itself (see `reconnect`); where its docker command cannot,
    two API calls do.

    Raises:
        ServerError: The server did not confirm it.
    """
    state = await engine.container(container)
    if state is None:
        raise FtlError(f"the proxy on {engine.name} no longer exists", hint=f"{ftl('deploy')} starts it")
    endpoint = next((each for each in state.endpoints if each.network == network), None)
    if endpoint is None:
        await connect(engine, container, network, aliases, await _last_address(engine, network))
    elif not aliases <= set(endpoint.aliases) or without.intersection(endpoint.aliases):
        # Ctrl-C in between would leave the project without its proxy.
        wanted = aliases.union(endpoint.aliases) - without
        await shielded(_reconnect(engine, machine, state.id, endpoint, wanted))


async def connect_all(engine: Engine, machine: Machine, container: str, sites: Iterable[Site]) -> None:
    """Connect a new proxy to the networks of all the sites that an older one served."""
    existing = {network.name for network in await engine.networks()}
    for site in sites:
        for network in existing.intersection(networks_of(site.project)):
            aliases = frozenset(name.service for name in site.all_internal)
            if site.place is not None:
                aliases |= {site.place.alias}
            await ensure_connected(engine, machine, container, network, aliases)


async def _reconnect(
    engine: Engine, machine: Machine, container: str, endpoint: Endpoint, aliases: frozenset[str]
) -> None:
    if endpoint.address and await reconnect(machine, container, endpoint, aliases):
        return
    address = endpoint.address or await _last_address(engine, endpoint.network)
    await engine.disconnect(endpoint.network, container)
    await connect(engine, container, endpoint.network, aliases, address)


async def connect(
    engine: Engine, container: str, network: str, aliases: frozenset[str], address: str | None
) -> None:
    """Connect a container to a network under these aliases, at this address if that is free."""
    names = sorted(aliases)
    if address is not None:
        try:
            await engine.connect(network, container, names, address=address)
        except EngineError as error:
            # The address is taken, or the network was created without an explicit subnet: any address will do.
            if error.status == _NOT_FOUND:
                raise
        else:
            return
    await engine.connect(network, container, names)


async def _last_address(engine: Engine, name: str) -> str | None:
    """The last address of a network's subnet: Docker assigns the lowest ones first.

    In an overlay there are several proxies, and any address will do.
    """
    network = await _find(engine, name)
    subnet = _ipv4(network) if network is not None and network.driver != "overlay" else None
    return str(ipaddress.IPv4Network(subnet).broadcast_address - 1) if subnet is not None else None


def _ipv4(network: Network) -> str | None:
    return next((subnet for subnet in network.subnets if ":" not in subnet), None)


async def _find(engine: Engine, name: str) -> Network | None:
    return next((network for network in await engine.networks() if network.name == name), None)
