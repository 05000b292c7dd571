"""THERE, from outside: which of the server's ports answer this machine, and which of them should not.

Docker's published ports go around ufw, so that neither its rules nor a listing on the server tells: one has to try.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftl.aio import gather
from ftl.engine import labels
from ftl.server.doctor.checks.server import holder, proxy_of
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ftl.engine.values import Container
    from ftl.server.doctor.facts import ListeningPort

SECONDS = 1.5
"""For a connection; one that takes longer is taken for dropped by a firewall."""

AT_ONCE = 64
MOST = 256
"""Ports that are tried: at the same time, and at all."""

Outcome = Literal["open", "closed", "silent"]

WEB = (80, 443)
"""The proxy's ports."""

UNSEEN = Finding(
    "there",
    "from outside",
    "ok",
    "not tried: the way to the server goes through this machine or another, so that nothing is proved from here",
)

# What listens there by default, for a warning that names it even where no container does.
_KNOWN = {
    2375: "Docker's API, which makes whoever reaches it root",
    2379: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    5672: "RabbitMQ",
    6379: "Redis",
    8086: "InfluxDB",
    9200: "Elasticsearch",
    11211: "Memcached",
    15672: "RabbitMQ's console",
    27017: "MongoDB",
}


@dataclass(frozen=True, slots=True)
class PortResult:
    """A port that was tried at one of the server's addresses."""

    port: int
    outcome: Outcome
    address: str = ""


def candidates(
    listeners: Sequence[ListeningPort], containers: Sequence[Container], addresses: Collection[str]
) -> list[int]:
    """The ports worth a try: what listens on all addresses or on one of these, and what Docker publishes there.

    (With Docker's userland proxy turned off, nothing listens for a published port.)
    """
    ports = {one.port for one in listeners if one.is_everywhere or one.address in addresses}
    for container in containers:
        ports |= {
            one.host_port
            for one in container.published
            if one.protocol == "tcp" and one.host_port and _leads_out(one.host_address, addresses)
        }
    return sorted(ports)[:MOST]


def _leads_out(bound: str, addresses: Collection[str]) -> bool:
    return bound == "" or bound in addresses or ipaddress.ip_address(bound).is_unspecified


def by_family(addresses: Iterable[str]) -> tuple[str, ...]:
    """The first of IPv4 and the first of IPv6: what is closed over the one may be open over the other."""
    first: dict[int, str] = {}
    for address in addresses:
        first.setdefault(ipaddress.ip_address(address).version, address)
    return tuple(first.values())


async def try_ports(addresses: Sequence[str], ports: Sequence[int]) -> list[PortResult]:
    """Try to connect to each port at each address, and hang up."""
    tries = (try_port(address, port) for port in ports for address in addresses)
    return await gather(tries, limit=AT_ONCE)


async def try_port(address: str, port: int) -> PortResult:
    """Try to connect to one port, and disconnect."""
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return PortResult(port, "silent", address)
    except OSError:
        return PortResult(port, "closed", address)
    writer.transport.abort()
    return PortResult(port, "open", address)


def judge(
    knocks: Sequence[PortResult], containers: Sequence[Container], *, ssh: int, meant: Collection[int]
) -> list[Finding]:
    """What is reachable and should not be, and what is not and should be.

    Args:
        knocks: What was tried.
        containers: All of the server's.
        ssh: The port at which the server was reached.
        meant: The ports that the project's `forwards` name, and those that the server's firewall.conf does.
    """
    reached = {one.port: one for one in reversed(knocks) if one.outcome == "open"}
    due = {ssh, *WEB, *meant}
    stray = [
        port for port in sorted(reached) if port not in due and not _is_forward(holder(port, containers))
    ]
    findings = [judge_stray(reached[port], holder(port, containers)) for port in stray]
    if not stray:
        answers = f"nothing but {', '.join(map(str, sorted(reached)))} answers"
        what = answers if reached else "no port answers"
        findings.append(Finding("there", "from outside", "ok", f"{what} from this machine"))
    return findings + [judge_web(one) for one in _hidden(knocks) if _serves(one.port, containers)]


def _hidden(knocks: Sequence[PortResult]) -> list[PortResult]:
    """The web's ports that do not answer where others do; where none does, there may be no way from here."""
    lively = {one.address for one in knocks if one.outcome == "open"}
    tried = [one for one in knocks if one.port in WEB and (one.address in lively or not lively)]
    return list({one.port: one for one in reversed(tried) if one.outcome != "open"}.values())[::-1]


def _is_forward(container: Container | None) -> bool:
    """A service's published port is one that its ftl.yaml names: FTL publishes nothing else for it."""
    return container is not None and container.labels.get(labels.ROLE) == labels.ROLE_SERVICE


def _serves(port: int, containers: Sequence[Container]) -> bool:
    proxy = proxy_of(containers)
    return proxy is not None and proxy.state == "running" and holder(port, containers) == proxy


def judge_stray(result: PortResult, container: Container | None) -> Finding:
    """A port that anybody can reach, and nobody meant to open."""
    port = result.port
    name = f"port {port}"
    outside = f"can be reached from outside{_over(result)}"
    if container is None:
        known = f" ({_KNOWN[port]})" if port in _KNOWN else ""
        fix = (
            f"on the server: `sudo ss -ltnp 'sport = :{port}'` names the program; let it listen on 127.0.0.1, or close "
            f"the port: `ftl setup` does, unless ufw allows it; if it is meant: `ftl setup --allow {port}`"
        )
        return Finding("there", name, "warning", f"{outside}{known}", fix)
    inside = next(one.container_port for one in container.published if one.host_port == port)
    what = (
        f"{outside}: the container {container.name} ({container.image}) publishes it on all addresses, and ufw does "
        "not stop that"
    )
    fix = (
        f"publish it on 127.0.0.1 alone (`-p 127.0.0.1:{port}:{inside}`; `ftl tunnels` reaches dependencies), or have "
        f"`ftl setup` close it; if it is meant: `forwards` for a service, `ftl setup --allow {port}` for another"
    )
    return Finding("there", name, "warning", what, fix)


def judge_web(result: PortResult) -> Finding:
    """The proxy listens, and the way to it does not stand."""
    hidden = f"this machine cannot reach it{_over(result)}: a firewall is in between"
    fix = (
        f"open it with the provider; in the server's own firewall `ftl setup` does, unless ufw has a rule about "
        f"{result.port} (`sudo ufw status`)"
    )
    what = f"the proxy listens on {result.port}, and {hidden}"
    return Finding("there", f"port {result.port} outside", "warning", what, fix)


def _over(result: PortResult) -> str:
    return f" at {result.address}" if ":" in result.address else ""
