"""The networks between the proxy and a project's containers."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.engine import labels
from ftl.errors import EngineError, FtlError
from ftl.proxy.lifecycle.reconnect import reconnect
from ftl.proxy.names import project_bridge, project_network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.engine.api import Engine
    from ftl.engine.values import Endpoint, Network
    from ftl.proxy.site import Site
    from ftl.ssh.machine import Machine

_ATTEMPTS = 3
_NOT_FOUND = 404


async def ensure_project_network(engine: Engine, project: str) -> Network:
    """The project's network, created if need be, with a subnet of its own that is given explicitly.

    Docker lets a container choose its address only in such networks, and the proxy must be able to keep its
    address when it joins again under more names. Docker chooses the subnet, in a first creation that is
    undone (once in a project's life).

    Raises:
        EngineError: As the engine says; for example when it has no more subnets to give.
    """
    name = project_network(project)
    existing = await _find(engine, name)
    if existing is not None:
        return existing
    marks = {labels.PROJECT: project, labels.ROLE: labels.ROLE_NETWORK}
    bridge = project_bridge(project)
    for _ in range(_ATTEMPTS):
        chosen = await engine.create_network(name, marks, bridge=bridge)
        subnet = _ipv4(chosen)
        if subnet is None:
            return chosen
        await engine.remove_network(name)
        try:
            return await engine.create_network(name, marks, subnet=subnet, bridge=bridge)
        except EngineError:
            # Somebody else was given the same subnet in between: choose again.
            continue
    return await engine.create_network(name, marks, bridge=bridge)


async def with_subnets(engine: Engine, site: Site) -> Site:
    """The site with its network's subnets."""
    network = await _find(engine, project_network(site.project))
    return site if network is None else replace(site, subnets=network.subnets)


async def ensure_connected(
    engine: Engine, machine: Machine, container: str, network: str, aliases: frozenset[str]
) -> None:
    """Have the proxy in a network under at least these names, at an address that does not change.

    A name cannot be added to an endpoint: the proxy leaves and joins again. With the same address its TCP
    connections survive the gap of a few hundred milliseconds by retransmission. The server does both by itself
    (see `rejoin`); where its docker command cannot, two calls of the engine's API do.

    Raises:
        ServerError: The server does not say that it has done so.
    """
    state = await engine.container(container)
    if state is None:
        raise FtlError(f"the proxy of {engine.name} is gone", hint="`ftl deploy` starts it")
    joined = next((one for one in state.endpoints if one.network == network), None)
    if joined is None:
        await connect(engine, container, network, aliases, await _own_address(engine, network))
    elif not aliases <= set(joined.aliases):
        # Ctrl-C in between would leave the project without its proxy.
        await shielded(_join_again(engine, machine, state.id, joined, aliases | set(joined.aliases)))


async def connect_all(engine: Engine, machine: Machine, container: str, sites: Iterable[Site]) -> None:
    """Have a new proxy in the networks of all the sites that an older one served."""
    there = {one.name for one in await engine.networks()}
    for site in sites:
        if project_network(site.project) in there:
            names = frozenset(one.service for one in site.internal)
            await ensure_connected(engine, machine, container, project_network(site.project), names)


async def _join_again(
    engine: Engine, machine: Machine, container: str, place: Endpoint, aliases: frozenset[str]
) -> None:
    if place.address and await reconnect(machine, container, place, aliases):
        return
    address = place.address or await _own_address(engine, place.network)
    await engine.disconnect(place.network, container)
    await connect(engine, container, place.network, aliases, address)


async def connect(
    engine: Engine, container: str, network: str, aliases: frozenset[str], address: str | None
) -> None:
    """Have a container in a network under these names, at this address if it can be had."""
    names = sorted(aliases)
    if address is not None:
        try:
            await engine.connect(network, container, names, address=address)
        except EngineError as error:
            # The address is taken, or the network was made without an explicit subnet: any address will do.
            if error.status == _NOT_FOUND:
                raise
        else:
            return
    await engine.connect(network, container, names)


async def _own_address(engine: Engine, network: str) -> str | None:
    """The last address of the network's subnet: Docker gives out the lowest ones first."""
    found = await _find(engine, network)
    subnet = _ipv4(found) if found is not None else None
    return str(ipaddress.IPv4Network(subnet).broadcast_address - 1) if subnet is not None else None


def _ipv4(network: Network) -> str | None:
    return next((one for one in network.subnets if ":" not in one), None)


async def _find(engine: Engine, name: str) -> Network | None:
    return next((one for one in await engine.networks() if one.name == name), None)
