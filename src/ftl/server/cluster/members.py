"""Servers that are to be one cluster, and the reasons why they cannot be. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.engine.convert import cluster_times_begun
from ftl.errors import FtlError
from ftl.server.setup.observe.state import ClusterFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftl.engine.calls.swarm import SwarmState

CLOCK_SECONDS = 60.0
"""Clocks that differ by more put records and logs in a wrong order.

From an hour on a node cannot join: Swarm's certificates begin one hour before they are issued.
"""

_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
)
"""RFC 1918, 6598 (Tailscale uses it), 3927, 4193, 4291: addresses that packets from the internet do not reach."""

_POOLS = ("10.213.0.0/16", "172.29.0.0/16", "192.168.192.0/18", "10.77.0.0/16")
"""Ranges for a cluster's networks. Docker's default, 10.0.0.0/8, has the private networks of most hosters in it."""

_OLDEST = (20, 10)
_SPLIT = (25, 29)
"""Docker 29 speaks version 1.44 of the API and newer ones, which came with Docker 25."""


@dataclass(frozen=True, slots=True)
class Member:
    """A server of the file, which others reach at `address`, with the facts that it reported."""

    name: str
    address: str
    roles: tuple[str, ...] = ()
    facts: ClusterFacts = field(default_factory=ClusterFacts)

    @property
    def swarm(self) -> SwarmState:
        """Its engine's own view of its membership."""
        return self.facts.swarm


def is_private(address: str) -> bool:
    """Whether packets between such addresses stay out of the internet."""
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in _PRIVATE if network.version == parsed.version)


def refuse_clear(members: Iterable[Member], *, cause: str, hint: str) -> None:
    """Refuse servers whose packets would pass the internet in clear.

    Raises:
        FtlError: One of them is reached at a public address.
    """
    public = next((member for member in members if not is_private(member.address)), None)
    if public is not None:
        raise FtlError(
            f"the packets between the servers cannot be encrypted, and {public.name} is reached at the public "
            f"address {public.address}",
            cause=cause,
            hint="connect the servers by a private network (the hoster's, or WireGuard or Tailscale), and write "
            f"their addresses in it as `private_address`; or {hint}",
        )


def managers_of(number: int) -> int:
    """Number of managers for a number of servers: odd, for a majority, and 5 at the most."""
    return 1 if number < 3 else 3 if number < 5 else 5


def pool_for(members: Iterable[Member]) -> str:
    """A range for the cluster's networks in which no server has an address.

    Raises:
        FtlError: There is none.
    """
    taken = [
        ipaddress.ip_network(address.network, strict=False)
        for member in members
        for address in member.facts.addresses
    ]
    for pool in map(ipaddress.ip_network, _POOLS):
        if not any(network.version == pool.version and network.overlaps(pool) for network in taken):
            return str(pool)
    raise FtlError(
        "the servers have addresses in every range that the cluster's networks could have",
        cause=f"the ranges are {', '.join(_POOLS)}",
        hint="see `ip addr` on the servers: networks as large as that are rarely needed",
    )


def mtu_of(members: Iterable[Member]) -> int:
    """Size of the largest packet between the servers; 0: the usual 1500, or unknown."""
    known = [
        address.mtu
        for member in members
        for address in member.facts.addresses
        if address.address == member.address and address.mtu
    ]
    smallest = min(known, default=0)
    return smallest if 0 < smallest < 1500 else 0


def is_ours(member: Member, nodes: frozenset[str]) -> bool:
    """Whether a membership comes from `ftl setup`.

    `nodes` are the IDs of those that managers of FTL's clusters know.
    """
    return member.facts.is_ours or (bool(member.swarm.node) and member.swarm.node in nodes)


def times_begun(swarm: SwarmState) -> int:
    """Number of times that the cluster was begun (`convert.cluster_times_begun`)."""
    return cluster_times_begun(swarm.labels)


def known_nodes(members: Iterable[Member]) -> frozenset[str]:
    """IDs of the nodes of FTL's clusters, as far as these servers know them."""
    return frozenset(
        node for member in members if labels.CLUSTER in member.swarm.labels for node in member.facts.nodes
    )


def refuse_unfit(members: Sequence[Member]) -> None:
    """Check that these servers can be one cluster; nothing has been changed yet.

    Raises:
        FtlError: They cannot be; with the other reasons as details, if there are more.
    """
    checks = (_same_machine, _addresses, _changed_addresses, _clocks, _engines, _swarms)
    raise_all([error for check in checks for error in check(members)])


def raise_all(errors: Sequence[FtlError]) -> None:
    """Raise the first error, if there is one, with a line for each of the others."""
    if errors:
        others = [f"{error.message}{f': {error.cause}' if error.cause else ''}" for error in errors[1:]]
        raise errors[0].with_details(others) if others else errors[0]


def _same_machine(members: Sequence[Member]) -> Iterator[FtlError]:
    seen: dict[str, Member] = {}
    for member in members:
        first = seen.setdefault(member.facts.engine_id or member.name, member)
        if first is not member:
            yield FtlError(
                f"{first.name} and {member.name} are the same machine: both lead to one Docker engine",
                cause=f"its ID is {member.facts.engine_id}",
                hint="name each server once; a machine that was cloned from another gets a new ID when "
                "/var/lib/docker/engine-id (before Docker 24: /etc/docker/key.json) is removed and Docker restarted",
            )


def _addresses(members: Sequence[Member]) -> Iterator[FtlError]:
    for member in members:
        known = {address.address for address in member.facts.addresses}
        if known and member.address not in known:
            yield FtlError(
                f"{member.name} does not have the address {member.address}, at which the other servers would reach it",
                cause=f"its addresses are {', '.join(sorted(known))}",
                hint="write the one that the others reach as its `private_address`",
            )
    by_address: dict[str, Member] = {}
    for member in members:
        first = by_address.setdefault(member.address, member)
        if first is not member and first.facts.engine_id != member.facts.engine_id:
            yield FtlError(
                f"{first.name} and {member.name} have one address for the other servers: {member.address}",
                hint="write the address of each as its `private_address`",
            )


def _changed_addresses(members: Sequence[Member]) -> Iterator[FtlError]:
    """A server keeps the address with which it joined; firewalls would open for another one."""
    nodes = known_nodes(members)
    for member in members:
        current = member.swarm.address
        if member.swarm.node not in nodes or not current or current == member.address:
            continue
        again = (
            f"take it out of ftl.yaml, run {ftl('setup')}, and add it again with the new address, one server at a "
            "time"
        )
        has_it = any(address.address == current for address in member.facts.addresses)
        yield FtlError(
            f"{member.name} is in the cluster with the address {current}, and ftl.yaml says {member.address}",
            cause="Swarm does not change the address of a server that has joined",
            hint=f"write `private_address: {current}`; to change it, {again}" if has_it else again,
        )


def _clocks(members: Sequence[Member]) -> Iterator[FtlError]:
    if len(members) < 2:
        return
    ordered = sorted(members, key=lambda member: member.facts.clock_ahead)
    middle = ordered[len(ordered) // 2].facts.clock_ahead
    for member in members:
        apart = member.facts.clock_ahead - middle
        if abs(apart) > CLOCK_SECONDS:
            way = "ahead of" if apart > 0 else "behind"
            yield FtlError(
                f"the clock of {member.name} is {abs(apart):.0f} seconds {way} those of the other servers",
                hint="have NTP set it: `timedatectl set-ntp true`, or install systemd-timesyncd or chrony",
            )


def _engines(members: Sequence[Member]) -> Iterator[FtlError]:
    versions = {member.name: _version(member.facts.version) for member in members if member.facts.version}
    for name, version in versions.items():
        if version < _OLDEST:
            yield FtlError(
                f"the Docker engine of {name} is too old for a cluster",
                cause=f"it is {'.'.join(map(str, version))}; 20.10 is the oldest",
                hint="upgrade it",
            )
    newest = max(versions, key=lambda name: versions[name], default="")
    for name, version in versions.items():
        if _OLDEST <= version < (_SPLIT[0],) and versions[newest] >= (_SPLIT[1],):
            yield FtlError(
                f"the Docker engines of {name} and {newest} are too far apart for one cluster",
                cause=f"{'.'.join(map(str, version))} and {'.'.join(map(str, versions[newest]))} have no version of "
                "the API in common",
                hint=f"upgrade the one of {name} to {_SPLIT[0]} or newer",
            )


def _version(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in text.split("+")[0].split(".")[:2] if part.isdecimal()]
    return tuple(numbers) or (0,)


def _swarms(members: Sequence[Member]) -> Iterator[FtlError]:
    nodes = known_nodes(members)
    clusters: dict[str, str] = {}
    for member in members:
        swarm = member.swarm
        if not swarm.is_member:
            continue
        if swarm.state == "locked":
            yield FtlError(
                f"the swarm of {member.name} is locked (autolock)",
                hint="unlock it on the server: `docker swarm unlock`",
            )
        elif not is_ours(member, nodes):
            yield FtlError(
                f"{member.name} is in a swarm that is not FTL's, and was not changed",
                cause=f"its engine is {'a manager' if swarm.is_manager else 'a worker'} of it, as node {swarm.node}",
                hint="use another server; or, if nobody needs that swarm, leave it there: `docker swarm leave --force`",
            )
        elif swarm.cluster:
            clusters.setdefault(swarm.cluster, member.name)
    if len(clusters) > 1:
        first, second = list(clusters.values())[:2]
        yield FtlError(
            f"{first} and {second} are in two clusters of FTL's",
            hint=f"empty one of them and leave it on each of its servers, {second} for example: "
            "`docker swarm leave --force`",
        )
