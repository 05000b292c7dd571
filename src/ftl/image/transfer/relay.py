"""Relay: a server that passes the archive which it gets from here on to other servers.

    this machine -> ssh -> the first server -> the network of the cluster's containers -> the others

Each of them makes its archive of the same stream, with its own copies of cached layers, and verifies what its engine
has loaded. A server takes only what has the digests that this machine says over SSH: whatever else comes through that
network ends its transfer. One that does not reach the first, or does not get all, is left to the caller.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ftl import child
from ftl.aio import cancel, gather_all, shielded
from ftl.common.programs import shell
from ftl.errors import FtlError
from ftl.image.transfer.delivery.delivery import STALL_SECONDS
from ftl.image.transfer.delivery.digest_feed import DigestFeed
from ftl.image.transfer.delivery.script import check_receipt, output_of, receive_arguments
from ftl.image.transfer.remote.scripts import RECEIVE, RELAY, RELAY_SEND, RELAY_TAKE
from ftl.image.transfer.staging import VerificationFailed, staging_tags

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping, Sequence

    from ftl.engine.values import Store
    from ftl.image.transfer.destination import Destination
    from ftl.image.transfer.staging import StagedImages

OPEN_SECONDS = 20.0
"""Limit for the first server to listen.

On a busy machine of the lab a container in a new network takes 2 s."""

JOIN_SECONDS = 12.0
"""Limit for the others to reach it; relay_take.pl gives up earlier."""

_PREFIX = "ftl-relay "


class Relay:
    """One stream for several servers; an async context manager that leaves nothing behind.

    Args:
        network: An overlay network that containers of all servers may join.
        servers: The servers; the first gets the stream from here.
        lock: The name of the server lock that the caller holds.

    Attributes:
        joined: Those that get the stream from the first.
        lost: Server -> why it did not get it, or could not use it.
        finished: Those of `joined` that have the images.
    """

    def __init__(self, network: str, servers: Sequence[Destination], lock: str) -> None:
        self._network = network
        self._first, *self._others = servers
        self._lock = lock
        self._processes: dict[str, Process] = {}
        self.joined: list[Destination] = []
        self.lost: dict[str, str] = {}
        self.finished: list[Destination] = []

    @property
    def stores(self) -> tuple[Store, ...]:
        """The image stores of those that have joined."""
        return tuple(server.info.store for server in self.joined)

    async def __aenter__(self) -> Self:
        """Open it: the first server listens, and the others connect to it."""
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def begin(self) -> DigestFeed:
        """Let nobody join any more; the script on the first server is ready for the stream.

        The others take only what has the digests that the witness says to them.
        """
        process = self._processes[self._first.name]
        await _write(process, "go")
        others = (self._processes[server.name].stdin for server in self.joined)
        return DigestFeed(process, [stdin for stdin in others if stdin is not None])

    async def verify_and_publish(
        self,
        staged: StagedImages,
        contents: Mapping[Store, Mapping[str, str]],
        layers: Mapping[str, Sequence[str]],
        names: Mapping[str, str],
    ) -> None:
        """Have the other servers verify the loaded images, and set the tags.

        Their failures are in `lost`. The staging tags on the first server are the same everywhere: by them `contents`
        has image IDs for each store, `layers` the diffIDs and `names` the real tags.
        """

        async def finish_at(server: Destination) -> None:
            own = staged.on(server.engine)
            try:
                await self._received(server)
                await own.verify_and_publish(contents[server.info.store], layers, names)
                self.finished.append(server)
            except VerificationFailed as error:
                self.lost[server.name] = str(error)
            except FtlError as error:
                self.lost[server.name] = error.cause or error.message
            finally:
                await own.discard()

        await gather_all(finish_at(server) for server in self.joined)

    async def _received(self, server: Destination) -> None:
        """Wait for a server's script.

        Raises:
            VerificationFailed: It did not get the stream, or its engine refused it.
            TransferFailed: It cannot have it.
        """
        process = self._processes[server.name]
        try:
            async with asyncio.timeout(STALL_SECONDS):
                stdout, stderr = await output_of(process)
                await process.wait()
        except TimeoutError as error:
            raise VerificationFailed("its engine did not answer") from error
        check_receipt(server.name, process.returncode, stdout, stderr)

    async def _open(self) -> None:
        servers = [self._first, *self._others]
        await gather_all(
            self._start(server, "take" if number else "send") for number, server in enumerate(servers)
        )
        process = self._processes.get(self._first.name)
        token = secrets.token_hex(16)
        address = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_SECONDS):
                if process is not None:
                    await _write(process, token)
                    address = await _line(process)
        words = address.split()
        if process is None or len(words) != 3 or words[0] != "at":
            await self._leave_out(self._others, f"{self._first.name} cannot pass it on")
            return
        started = {
            number: server for number, server in enumerate(self._others, 1) if server.name in self._processes
        }
        for number, server in started.items():
            await _write(self._processes[server.name], f"{token} {number} {words[1]} {words[2]}")
        with suppress(TimeoutError):
            async with asyncio.timeout(JOIN_SECONDS):
                await self._wait_for(process, started)
        await self._leave_out(
            [*started.values()], f"it does not reach {self._first.name} in the servers' network"
        )

    async def _wait_for(self, process: Process, started: dict[int, Destination]) -> None:
        """Wait until each server has joined or given up; those that have joined are taken out of `started`."""
        ends = {
            asyncio.create_task(self._processes[server.name].wait()): number
            for number, server in started.items()
        }
        waiting: set[asyncio.Task[int] | asyncio.Task[str]] = {*ends}
        line = asyncio.create_task(_line(process))
        try:
            while started and any(number in started for end, number in ends.items() if end in waiting):
                done, _ = await asyncio.wait({line, *waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting -= done
                if line in done:
                    verb, _, number = line.result().partition(" ")
                    # The network may be anybody's: one who has read the token there can say any number.
                    if verb != "joined" or not number.isdecimal() or int(number) not in started:
                        return
                    self.joined.append(started.pop(int(number)))
                    line = asyncio.create_task(_line(process))
        finally:
            await cancel(line, *ends)

    async def _start(self, server: Destination, mode: str) -> None:
        machine = server.machine
        assert machine is not None  # `can_relay`
        tag = staging_tags(1, server.info.now, self._lock)[0]
        receive = receive_arguments(machine, server.capabilities.cache_limit)
        program = RELAY_SEND if mode == "send" else RELAY_TAKE
        arguments = [mode, machine.engine_socket, self._network, tag, program, RECEIVE, *receive]
        try:
            self._processes[server.name] = await machine.start(shell(RELAY, "sh", *arguments))
        except FtlError as error:
            if server is not self._first:
                self.lost[server.name] = error.cause or error.message

    async def _leave_out(self, servers: Sequence[Destination], reason: str) -> None:
        for server in servers:
            process = self._processes.get(server.name)
            said = await _last_words(process) if process is not None else ""
            self.lost.setdefault(server.name, f"{reason}: {said}" if said else reason)
        await self._end([server.name for server in servers])

    async def _end(self, names: Sequence[str]) -> None:
        processes = [self._processes.pop(name) for name in names if name in self._processes]
        await gather_all(child.close_stdin(process) for process in processes)

    async def _close(self) -> None:
        await shielded(self._end([*self._processes]))


async def _write(process: Process, line: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(f"{line}\n".encode())
        await process.stdin.drain()


async def _last_words(process: Process) -> str:
    """The first message of a script that has ended; empty for one that runs."""
    if process.returncode is None:
        return ""
    _, messages = await output_of(process)
    return next((line.strip() for line in messages.splitlines() if line.strip()), "")


async def _line(process: Process) -> str:
    """The next line about the relay that its script prints; empty at the end."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode(errors="replace"):
        if line.startswith(_PREFIX):
            return line.removeprefix(_PREFIX).strip()
    return ""
