"""The ports between servers, tried from each to each other before they are one cluster."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import FtlError, ServerError
from ftl.server.setup.ports import SWARM

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping, Sequence

    from ftl.server.cluster.members import Member
    from ftl.ssh.machine import Machine

SECONDS = 8
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class BlockedPorts:
    """Ports on which nothing passes, in one direction."""

    sender: str
    receiver: str
    ports: tuple[str, ...]

    def __str__(self) -> str:
        return f"from {self.sender} to {self.receiver}: {', '.join(self.ports)}"


async def refuse_closed_ports(members: Sequence[Member], machines: Mapping[str, Machine]) -> None:
    """Try the ports of Swarm mode between all servers, with real packets.

    Ports that something listens on already, such as an engine in a Swarm, are left out.

    Raises:
        FtlError: Some are closed: between which servers, in which direction.
        ServerError: A server could not try.
    """
    if len(members) < 2:
        return
    async with AsyncExitStack() as stack:
        trials = [_Trial(machines[member.name], number, members) for number, member in enumerate(members)]
        for trial in trials:
            stack.push_async_callback(trial.close)
        await gather(trial.listen() for trial in trials)
        heard = await gather(trial.run() for trial in trials)
    blocked = blocked_ports([member.name for member in members], heard)
    if blocked:
        raise FtlError(
            "packets do not pass between the servers, "
            + "; ".join(map(str, blocked[:1]))
            + (f"; and in {len(blocked) - 1} more directions" if len(blocked) > 1 else ""),
            cause="a firewall between them, of the hoster for example, or a wrong `private_address`",
            hint="open 2377/tcp, 7946/tcp, 7946/udp and 4789/udp between the servers, and nowhere else",
        ).with_details(list(map(str, blocked)))


def blocked_ports(hosts: Sequence[str], heard: Sequence[Sequence[str]]) -> list[BlockedPorts]:
    """The directions in which packets were lost, by the output of ports.pl on each host."""
    everything = [f"{protocol}/{number}" for number, protocol in SWARM]
    blocked = []
    for receiver, lines in enumerate(heard):
        busy = {line.partition(" ")[2] for line in lines if line.startswith("busy ")}
        passed = {line for line in lines if line.startswith("from ")}
        for sender in range(len(hosts)):
            missing = tuple(
                f"{port.partition('/')[2]}/{port.partition('/')[0]}"
                for port in everything
                if port not in busy and f"from {sender} {port}" not in passed
            )
            if sender != receiver and missing:
                blocked.append(BlockedPorts(hosts[sender], hosts[receiver], missing))
    return blocked


class _Trial:
    """Port check of one server: listen, then send to the others."""

    def __init__(self, machine: Machine, number: int, members: Sequence[Member]) -> None:
        self._machine = machine
        others = [f"{other}={each.address}" for other, each in enumerate(members) if other != number]
        arguments = (str(number), members[number].address, str(SECONDS), *others)
        self._argv = ("perl", "-e", program("ftl.server.cluster", "ports.pl"), *arguments)
        self._process: Process | None = None
        self._lines: list[str] = []

    async def listen(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            ServerError: It does not.
        """
        self._process = await self._machine.start(self._argv)
        assert self._process.stdout is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                async for line in self._process.stdout:
                    text = line.decode(errors="replace").strip()
                    if text == "ready":
                        return
                    self._lines.append(text)
        raise ServerError(
            f"the ports of {self._machine.name} could not be tested",
            cause=self._lines[-1] if self._lines else "perl does not run there as expected",
        )

    async def run(self) -> list[str]:
        """Start sending, and return the lines that report the received packets."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"go\n")
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS + _START_SECONDS):
                async for line in self._process.stdout:
                    self._lines.append(line.decode(errors="replace").strip())
        return self._lines

    async def close(self) -> None:
        """End it."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
