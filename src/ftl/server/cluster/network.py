"""A project's network across the servers: created, tried, and encrypted where that works."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING

from ftl.aio import gather, loop_time
from ftl.engine import labels
from ftl.errors import EngineError, FtlError
from ftl.events import Note
from ftl.proxy.names import overlay_network
from ftl.server.cluster.members import is_private, mtu_of, refuse_clear
from ftl.server.cluster.overlay import SECONDS, LostPackets, lost_packets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.server.cluster.context import ClusterContext

_READY_SECONDS = 90.0
"""For the containers of a trial to leave the network, also of one that was killed: see `overlay.lost_packets`."""

_PAUSE = 0.3

_ENCRYPTED_SECONDS = 7
"""For the trial with encryption, which passes nothing at all where the kernel or a firewall has none."""


class ClusterNetwork:
    """The network of a project; one of the servers is a manager."""

    def __init__(self, context: ClusterContext) -> None:
        self._context = context
        self._name = overlay_network(context.project)
        self._engine = context.sessions[context.manager.name].engine

    async def ensure(self, *, exists: bool) -> str:
        """Try the project's network; a new one is encrypted where that works. Its ID.

        One that fails and that nothing uses is made anew: a setup may have been killed before it had tried it.

        Raises:
            FtlError: Packets do not pass, or would pass the internet in clear.
        """
        lost = await self._lost() if exists else []
        if lost and await self._is_used():
            self._refuse(lost)
        if lost:
            await self.remove()
        if lost or not exists:
            await self._make()
        return next(network.id for network in await self._engine.networks() if network.name == self._name)

    async def _make(self) -> None:
        members = self._context.members
        if len(members) == 1:
            await self._create(encrypted=not is_private(members[0].address))
            return
        await self._create(encrypted=True)
        lost = await self._lost(_ENCRYPTED_SECONDS)
        if not lost:
            return
        cause = f"with encryption (IPsec), {lost[0]}"
        refuse_clear(members, cause=cause, hint="open ESP (IP protocol 50) between them")
        await self.remove()
        await self._create(encrypted=False)
        self._refuse(await self._lost())
        text = "the packets between the servers are not encrypted"
        where = "they stay in the private network that the servers share"
        hint = "the servers' kernels, or the network between them, do not pass IPsec (ESP)"
        self._context.emit(Note(f"{text}: {where}", hint=hint))

    async def _is_used(self) -> bool:
        """Whether a service of the project is in it, or a container on one of the servers."""
        if await self._engine.services(labels={labels.PROJECT: self._context.project}):
            return True
        engines = [self._context.sessions[member.name].engine for member in self._context.members]
        lists = await gather(engine.containers() for engine in engines)
        return any(
            endpoint.network == self._name and one.role != labels.ROLE_CLUSTER
            for listing in lists
            for one in listing
            for endpoint in one.endpoints
        )

    async def _lost(self, seconds: int = SECONDS) -> list[LostPackets]:
        context = self._context
        sessions = [context.sessions[member.name] for member in context.members]
        return await lost_packets(sessions, self._name, context.project, seconds=seconds)

    def _refuse(self, lost: Sequence[LostPackets]) -> None:
        if not lost:
            return
        small = lost[0].kind == "small"
        raise FtlError(
            f"the network between the servers does not work: {lost[0]}",
            cause="the network between the machines takes smaller packets than their interfaces say"
            if small
            else "a firewall between them that lets the ports pass, but not the packets of the network (4789/udp; "
            "ESP, IP protocol 50, where it is encrypted)",
            hint=f"set a smaller MTU on the interfaces that lead there: `ip link set eth0 mtu {lost[0].mtu - 50}`"
            if small
            else "open 4789/udp and ESP in both directions between the servers",
        ).with_details(list(map(str, lost)))

    async def _create(self, *, encrypted: bool) -> None:
        own = {labels.PROJECT: self._context.project, labels.ROLE: labels.ROLE_NETWORK}
        own |= {labels.ENCRYPTED: "true" if encrypted else "false"}
        name, mtu = self._name, mtu_of(self._context.members)
        deadline = loop_time() + _READY_SECONDS
        while True:
            subnet = await self._free_subnet()
            try:
                await self._engine.swarm.create_overlay(
                    name, labels=own, encrypted=encrypted, mtu=mtu, subnet=subnet
                )
            except EngineError:  # of the one that was just removed, something is left for a moment
                if loop_time() > deadline:
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def _free_subnet(self) -> str:
        """A subnet of the Swarm's pool that no network has; Docker itself takes those at its beginning."""
        networks = await self._engine.networks()
        taken = {
            ipaddress.IPv4Network(subnet)
            for network in networks
            for subnet in network.subnets
            if ":" not in subnet
        }
        pools = [ipaddress.IPv4Network(pool) for pool in (await self._engine.swarm.state()).pools]
        for pool in pools:
            for subnet in list(pool.subnets(new_prefix=24))[16:]:
                if not any(subnet.overlaps(other) for other in taken):
                    return str(subnet)
        raise FtlError(
            "the cluster has no address range left for a network", hint="remove networks that nobody uses"
        )

    async def remove(self) -> None:
        """Remove the network, whose last container may have been removed just now."""
        deadline = loop_time() + _READY_SECONDS
        engine, name = self._engine, self._name
        while True:
            try:
                await engine.remove_network(name)
            except EngineError:  # its last container has been removed just now
                if loop_time() > deadline:
                    raise
            if not any(network.name == name for network in await engine.networks()):
                return
            await asyncio.sleep(_PAUSE)
