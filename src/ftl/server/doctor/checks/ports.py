"""Checks of the server's ports from outside: which answer, and which of them should not.

Ports that Docker publishes bypass ufw, so neither its rules nor a listing on the server is enough: one has to connect.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Literal

from ftl.aio import gather
from ftl.common.next_step import ftl
from ftl.databases import DATABASES
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.server.doctor.facts import proxy_of, publisher_of
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ftl.common.proc_net import ListeningSocket
    from ftl.engine.values import Container

SECONDS = 1.5
"""Limit for a connection; one that takes longer is assumed to be dropped by a firewall."""

AT_ONCE = 64
MOST = 256
"""Number of ports that are tried: at the same time, and in total."""

PortState = Literal["open", "closed", "silent"]

WEB = (80, 443)
"""The proxy's ports."""

NOT_TRIED = Finding(
    "there",
    "from outside",
    "ok",
    "not tested: the server is reached through this or another machine, so a connection from here proves nothing",
)

# Default ports of programs that a warning should name, even where no container publishes them.
_KNOWN = {
    **{database.port: database.title for database in reversed(DATABASES)},
    2375: "Docker's API, which gives root access",
    2379: "etcd",
    8086: "InfluxDB",
    15672: "RabbitMQ's console",
}


@dataclass(frozen=True, slots=True)
class PortResult:
    """The result of a connection to a port at one of the server's addresses."""

    port: int
    state: PortState
    address: str = ""


def ports_to_try(
    listeners: Sequence[ListeningSocket], containers: Sequence[Container], addresses: Collection[str]
) -> list[int]:
    """The ports that programs listen on, or that Docker publishes, at these addresses.

    (With Docker's userland proxy turned off, nothing listens for a published port.)
    """
    ports = {listener.port for listener in listeners if listener.wildcard or listener.address in addresses}
    for container in containers:
        ports |= {
            published.host_port
            for published in container.published
            if published.protocol == "tcp"
            and published.host_port
            and _is_reachable(published.host_address, addresses)
        }
    return sorted(ports)[:MOST]


def _is_reachable(bound: str, addresses: Collection[str]) -> bool:
    return bound == "" or bound in addresses or ipaddress.ip_address(bound).is_unspecified


def by_family(addresses: Iterable[str]) -> tuple[str, ...]:
    """The first IPv4 and the first IPv6 address: a port may be closed for one family only."""
    first: dict[int, str] = {}
    for address in addresses:
        first.setdefault(ipaddress.ip_address(address).version, address)
    return tuple(first.values())


async def try_ports(addresses: Sequence[str], ports: Sequence[int]) -> list[PortResult]:
    """Connect to each port at each address, and disconnect."""
    attempts = (try_port(address, port) for port in ports for address in addresses)
    return await gather(attempts, limit=AT_ONCE)


async def try_port(address: str, port: int) -> PortResult:
    """Connect to one port, and disconnect."""
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
    results: Sequence[PortResult], containers: Sequence[Container], *, ssh: int, expected: Collection[int]
) -> list[Finding]:
    """Unexpected open ports, and ports of the proxy that are blocked.

    `expected` are the ports that the project's `forwards` and the server's firewall.conf open.
    """
    is_open = {result.port: result for result in reversed(results) if result.state == "open"}
    allowed = {ssh, *WEB, *expected}
    unexpected = [
        port
        for port in sorted(is_open)
        if port not in allowed and not _is_service(publisher_of(port, containers))
    ]
    findings = [judge_open_port(is_open[port], publisher_of(port, containers)) for port in unexpected]
    if not unexpected:
        numbers = ", ".join(map(str, sorted(is_open)))
        what = f"only {numbers} can be reached from this machine" if is_open else "no port can be reached"
        findings.append(Finding("there", "from outside", "ok", what))
    blocked = [result for result in _blocked_web_ports(results) if _is_proxy_port(result.port, containers)]
    return findings + [judge_blocked_port(result) for result in blocked]


def _blocked_web_ports(results: Sequence[PortResult]) -> list[PortResult]:
    """The web's ports that do not answer at addresses where others do; where none does, there may be no route."""
    answering = {result.address for result in results if result.state == "open"}
    web = [
        result for result in results if result.port in WEB and (result.address in answering or not answering)
    ]
    return list({result.port: result for result in reversed(web) if result.state != "open"}.values())[::-1]


def _is_service(container: Container | None) -> bool:
    """Whether FTL published the port for a service: ftl.yaml names it then."""
    return container is not None and container.role == labels.ROLE_SERVICE


def _is_proxy_port(port: int, containers: Sequence[Container]) -> bool:
    proxy = proxy_of(containers)
    return proxy is not None and proxy.state == "running" and publisher_of(port, containers) == proxy


def judge_open_port(result: PortResult, container: Container | None) -> Finding:
    """An unexpected port that everybody can reach."""
    port = result.port
    name = f"port {port}"
    reachable = f"can be reached from outside{_at_address(result)}"
    if container is None:
        program = f" ({_KNOWN[port]})" if port in _KNOWN else ""
        fix = (
            f"on the server: `sudo ss -ltnp 'sport = :{port}'` shows the program; let it listen on 127.0.0.1, or close "
            f"the port ({ftl('setup')} does, unless ufw allows it); if it is intended: {ftl(f'setup --allow {port}')}"
        )
        return Finding("there", name, "warning", f"{reachable}{program}", fix)
    inside = next(item.container_port for item in container.published if item.host_port == port)
    what = (
        f"{reachable}: the container {container.name} ({container.image}) publishes it on all addresses, and ufw does "
        "not block that"
    )
    fix = (
        f"publish it on 127.0.0.1 only (`-p 127.0.0.1:{port}:{inside}`; {ftl('tunnels')} reaches dependencies), or let "
        f"{ftl('setup')} close it; if it is intended: `forwards` for a service, {ftl(f'setup --allow {port}')} for "
        "another container"
    )
    return Finding("there", name, "warning", what, fix)


def judge_blocked_port(result: PortResult) -> Finding:
    """A port on which the proxy listens, and that cannot be reached."""
    port = result.port
    what = f"the proxy listens on {port}, but this machine cannot reach it{_at_address(result)}: a firewall blocks it"
    fix = (
        f"open it in the provider's firewall; {ftl('setup')} opens it in the server's own, unless ufw has a rule for "
        f"{port} (`sudo ufw status`)"
    )
    return Finding("there", f"port {port} outside", "warning", what, fix)


def _at_address(result: PortResult) -> str:
    return f" at {result.address}" if ":" in result.address else ""
