"""THERE, from outside: which of the server's ports answer this machine, and which of them should not.

Docker's published ports go around ufw, so that neither its rules nor a listing on the server tells: one has to try.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftl.aio import together
from ftl.engine import labels
from ftl.server.doctor.finding import Finding
from ftl.server.doctor.there import holder, proxy_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ftl.engine import Container
    from ftl.server.doctor.survey import Listener

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
class Knock:
    """A port that was tried."""

    port: int
    outcome: Outcome


def candidates(listeners: Sequence[Listener], containers: Sequence[Container], address: str) -> list[int]:
    """The ports worth a try: what listens on all addresses or on this one, and what Docker publishes there.

    (With Docker's userland proxy turned off, nothing listens for a published port.)
    """
    ports = {one.port for one in listeners if one.is_everywhere or one.address == address}
    for container in containers:
        ports |= {
            one.host_port
            for one in container.published
            if one.protocol == "tcp" and one.host_port and _leads_out(one.host_address, address)
        }
    return sorted(ports)[:MOST]


def _leads_out(bound: str, address: str) -> bool:
    return bound in ("", address) or ipaddress.ip_address(bound).is_unspecified


async def knock(address: str, ports: Sequence[int]) -> list[Knock]:
    """Try to connect to each, and hang up."""
    return await together((_knock(address, port) for port in ports), limit=AT_ONCE)


async def _knock(address: str, port: int) -> Knock:
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return Knock(port, "silent")
    except OSError:
        return Knock(port, "closed")
    writer.transport.abort()
    return Knock(port, "open")


def judge(
    knocks: Sequence[Knock], containers: Sequence[Container], *, ssh: int, forwards: Collection[int]
) -> list[Finding]:
    """What is reachable and should not be, and what is not and should be.

    Args:
        knocks: What was tried.
        containers: All of the server's.
        ssh: The port at which the server was reached.
        forwards: The ports that the project's `forwards` name.
    """
    reached = [one.port for one in knocks if one.outcome == "open"]
    due = {ssh, *WEB, *forwards}
    stray = [port for port in reached if port not in due and not _is_forward(holder(port, containers))]
    findings = [judge_stray(port, holder(port, containers)) for port in stray]
    if not stray:
        what = f"nothing but {', '.join(map(str, reached))} answers" if reached else "no port answers"
        findings.append(Finding("there", "from outside", "ok", f"{what} from this machine"))
    findings += [judge_web(one) for one in knocks if one.port in WEB and _serves(one.port, containers)]
    return [one for one in findings if one.level != "ok" or one.name == "from outside"]


def _is_forward(container: Container | None) -> bool:
    """A service's published port is one that its ftl.yaml names: FTL publishes nothing else for it."""
    return container is not None and container.labels.get(labels.ROLE) == labels.ROLE_SERVICE


def _serves(port: int, containers: Sequence[Container]) -> bool:
    proxy = proxy_of(containers)
    return proxy is not None and proxy.state == "running" and holder(port, containers) == proxy


def judge_stray(port: int, container: Container | None) -> Finding:
    """A port that anybody can reach, and nobody meant to open."""
    name = f"port {port}"
    known = f" ({_KNOWN[port]})" if port in _KNOWN else ""
    if container is None:
        what = f"can be reached from outside{known}"
        fix = (
            f"on the server: `sudo ss -ltnp 'sport = :{port}'` names the program; let it listen on 127.0.0.1, "
            f"or close the port: `sudo ufw deny {port}/tcp`"
        )
        return Finding("there", name, "warning", what, fix)
    inside = next(one.container_port for one in container.published if one.host_port == port)
    what = (
        f"can be reached from outside: the container {container.name} ({container.image}) publishes it on all "
        "addresses, and ufw does not stop that"
    )
    fix = (
        f"publish it on 127.0.0.1 alone (`-p 127.0.0.1:{port}:{inside}`; `ftl tunnels` reaches dependencies), "
        "or name it in `forwards` if it is meant"
    )
    return Finding("there", name, "warning", what, fix)


def judge_web(knock: Knock) -> Finding:
    """The proxy listens: does the way to it stand?"""
    name = f"port {knock.port} outside"
    if knock.outcome == "open":
        return Finding("there", name, "ok", "can be reached")
    what = f"the proxy listens on {knock.port}, and this machine cannot reach it: a firewall is in between"
    fix = f"open it with the provider; on the server: `sudo ufw allow {knock.port}/tcp`"
    return Finding("there", name, "warning", what, fix)
