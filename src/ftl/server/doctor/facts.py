"""Facts about a server that any user may read, and the state of its engine."""

from __future__ import annotations

import ipaddress
import re
import time
from typing import TYPE_CHECKING

from ftl.common.programs import program, shell
from ftl.dataclass import dataclass
from ftl.image.transfer.remote.scripts import IMAGES_FOLDER
from ftl.proxy.state import is_proxy
from ftl.server.facts.reader import FactLines, FreeSpace, df_space, facts_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.common.proc_net import ListeningSocket
    from ftl.engine.values import Container, EngineInfo
    from ftl.errors import FtlError
    from ftl.ssh.machine import Machine

SECONDS = 10.0

# Interfaces that Docker created, for FTL too: other machines do not reach their addresses.
_BRIDGE = re.compile(r"docker\d|br-[0-9a-f]{12}|ftl-|veth")


def script() -> str:
    """The script that prints the facts, given the engine's data root and image store."""
    own = program("ftl.common", "scripts/own_processes.sh")
    return IMAGES_FOLDER + facts_script() + own + program("ftl.server.doctor", "facts.sh")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Facts about a server.

    Attributes:
        skew: Seconds by which its clock is ahead of ours, as far as the duration of the question allows to say.
        memory: Bytes: "MemTotal", "MemAvailable", "SwapTotal".
        root: The folder of Docker's images; `disk` and `inodes` are those of its file system.
        addresses: Its own, without loopback.
        listeners: TCP sockets.
        allowed: TCP ports that firewall.conf opens.
    """

    user: str
    system: str
    skew: float
    memory: dict[str, int]
    root: str
    disk: FreeSpace | None
    inodes: FreeSpace | None
    has_zstd: bool
    addresses: tuple[str, ...]
    listeners: tuple[ListeningSocket, ...]
    web_servers: tuple[str, ...]
    allowed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EngineState:
    """The server's engine and all of its containers, or the error why it cannot be used."""

    info: EngineInfo | None = None
    containers: tuple[Container, ...] = ()
    error: FtlError | None = None


NO_ENGINE = EngineState()
"""The state of an engine that was not asked."""


async def gather_facts(machine: Machine, *, root: str, store: str) -> ServerFacts:
    """Ask a server for its facts: one command.

    `root` and `store` are its engine's data root and image store.

    Raises:
        ServerError: It does not answer (any more).
    """
    asked_at = time.time()
    done = await machine.run(shell(script(), "sh", root, store), timeout=SECONDS)
    return read(done.text, asked_at=asked_at, answered=time.time())


def read(output: str, *, asked_at: float, answered: float) -> ServerFacts:
    """Read the script's output.

    Missing or malformed facts are left out. `asked_at` and `answered` are our time before and after, in seconds since
    1970.
    """
    facts = FactLines(output)
    release = facts.os_release()
    return ServerFacts(
        user=facts.first("user"),
        system=release.get("PRETTY_NAME", ""),
        skew=_skew(facts.first("time"), asked_at, answered),
        memory=facts.memory(),
        root=facts.first("root"),
        disk=facts.disk(),
        inodes=df_space(facts.first("inodes"), 1),
        has_zstd="zstd" in facts,
        addresses=_addresses(facts.all("address"), facts.first("connection")),
        listeners=tuple(dict.fromkeys(facts.sockets("tcp"))),
        web_servers=tuple(facts.all("web-server")),
        allowed=tuple(int(port) for port in facts.all("allowed") if port.isdecimal() and len(port) < 6),
    )


def proxy_of(containers: Iterable[Container]) -> Container | None:
    """FTL's proxy among a server's containers: the one that runs, while an upgrade has several."""
    return max(filter(is_proxy, containers), key=lambda item: item.state == "running", default=None)


def publisher_of(port: int, containers: Iterable[Container]) -> Container | None:
    """The container that publishes a TCP port of the server."""
    for container in containers:
        if any(item.host_port == port and item.protocol == "tcp" for item in container.published):
            return container
    return None


def _skew(server_time: str, asked_at: float, answered: float) -> float:
    """The distance of the server's (whole) second from the time between question and answer."""
    if not server_time.isdecimal():
        return 0.0
    second = int(server_time)
    return min(second + 1 - asked_at, 0.0) or max(second - answered, 0.0)


def _addresses(rows: Sequence[str], connection: str) -> tuple[str, ...]:
    """The address of this connection ($SSH_CONNECTION's third word), and those of `ip -o addr`."""
    columns = [row.split() for row in rows]
    listed = [row[3].partition("/")[0] for row in columns if len(row) > 3 and not _BRIDGE.match(row[1])]
    candidates = [*connection.split()[2:3], *listed]
    return tuple(dict.fromkeys(address for address in candidates if _is_remote_address(address)))


def _is_remote_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False
