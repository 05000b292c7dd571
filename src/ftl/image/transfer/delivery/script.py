"""The door of servers that have zstd: a script there makes the archive of what it is told, and loads it.

So zstd serves engines that cannot read it (before Docker 23), a layer can be sent as the difference to one that the
server keeps, and what has arrived of a transfer that was cut need not be sent again.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from ftl import child
from ftl.aio import shielded
from ftl.image.transfer.archive.blocks import in_blocks, map_in_threads
from ftl.image.transfer.delivery.channels import lanes_for, opened
from ftl.image.transfer.delivery.engine_api import STALL
from ftl.image.transfer.delivery.frames import THREADS, compress_frames
from ftl.image.transfer.delivery.refusals import load_failed, load_refused
from ftl.image.transfer.delta.delta import DeltaEncoder, DeltaWindow
from ftl.image.transfer.pack import RawBytes
from ftl.image.transfer.remote.capabilities import CachedLayer, cache_name
from ftl.image.transfer.remote.scripts import RECEIVE

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from ftl.image.transfer.delivery.channels import Lanes
    from ftl.image.transfer.delivery.frames import Pace
    from ftl.image.transfer.delta.bases import DeltaBase, DeltaBases
    from ftl.image.transfer.pack import ArchivePart
    from ftl.image.transfer.progress.meter import Meter
    from ftl.image.transfer.remote.capabilities import RemoteCapabilities
    from ftl.image.transfer.sources.source import LayerStream
    from ftl.ssh.machine import Machine

_READ = 512 << 10
"""Bytes of the new layer that are looked at between two looks at the loop."""

_LAST_WORDS = 4096
"""Bytes of what the script and the engine say that are kept."""

_ASIDE = 64 << 20
"""Bytes that must be free for frames that wait in files for their turn."""

_RESUME = "run it again: the layers that have arrived are not sent again"


class ScriptDelivery:
    """A way to hand an archive to the engine there; see Door.

    Args:
        machine: The server.
        depot: What it can do and keeps.
        bases: Which layers go as differences, to which.
        pace: How hard to compress.
        meter: Told what passes.
    """

    def __init__(
        self, machine: Machine, depot: RemoteCapabilities, bases: DeltaBases, pace: Pace, meter: Meter
    ) -> None:
        self._machine = machine
        self._depot = depot
        self._bases = bases
        self._pace = pace
        self._meter = meter

    async def deliver(self, parts: AsyncGenerator[ArchivePart, None]) -> None:
        """Tell the script part by part; see Door."""
        run = secrets.token_hex(8)
        load = ["docker", "--host", f"unix://{self._machine.engine_socket}", "load", "--quiet"]
        process = await self._machine.start(["sh", "-c", RECEIVE, "sh", run, str(self._depot.keeps), *load])
        listening = asyncio.gather(_tail(process.stdout), _tail(process.stderr))
        roomy = self._depot.room >= _ASIDE
        count = lanes_for(self._pace.known, self._depot.round_trip) if roomy else 1
        try:
            async with opened(self._machine, run, count, self._meter) as lanes:
                said, complaint = await self._converse(process, lanes, parts, listening)
        except TimeoutError as error:
            raise load_failed(
                self._machine.name, f"nothing moved for {STALL / 60:.0f} minutes", _RESUME
            ) from error
        finally:
            await shielded(child.close_stdin(process))  # it takes with it what it had begun
            listening.cancel()
        self._judge(process.returncode, said, complaint)

    async def _converse(
        self,
        process: Process,
        lanes: Lanes,
        parts: AsyncGenerator[ArchivePart, None],
        listening: asyncio.Future[tuple[str, str]],
    ) -> tuple[str, str]:
        """Send everything, and wait for the script's end; it may end before it has read all."""
        assert process.stdin is not None
        async with asyncio.timeout(STALL) as limit:
            line = _Line(process.stdin, lanes, self._meter, limit)
            with suppress(BrokenPipeError, ConnectionResetError):
                async for part in parts:
                    await self._tell(line, part)
                await line.say("end")
            process.stdin.close()
            heard = await asyncio.shield(listening)
            await process.wait()
            return heard

    async def _tell(self, line: _Line, part: ArchivePart) -> None:
        if isinstance(part, RawBytes):
            await line.raw(part.content)
        elif isinstance(part, CachedLayer):
            await line.say(f"kept {part.name}")
        else:
            async with self._bases.to(part) as old:
                if old is None:
                    await self._whole(line, part)
                else:
                    await self._delta(line, part, old)

    async def _whole(self, line: _Line, layer: LayerStream) -> None:
        await line.say(f"whole {cache_name(layer.diff_id, layer.size)}")
        async with aclosing(compress_frames(self._passing(layer), self._pace)) as made:
            async for each in made:
                await line.frame(each)
        await line.say("0")

    async def _delta(self, line: _Line, layer: LayerStream, old: DeltaBase) -> None:
        await line.say(f"old {old.kept.name}")  # it is unpacked there while it is read here
        basis, layer = await old.prepare(layer)
        if basis is None:
            await self._whole(line, layer)
            return
        windows = DeltaEncoder(basis)
        self._meter.difference(old.instead(layer.size))
        await line.say(f"delta {cache_name(layer.diff_id, layer.size)}")
        cut = self._windows(layer, windows)
        async with aclosing(map_in_threads(cut, DeltaWindow.frame, threads=THREADS, ahead=1)) as made:
            async for each in made:
                ranges = "".join(f" {part.offset} {part.length}" for part in each.basis)
                await line.send(f"{len(each.content)}{ranges}\n".encode(), each.content)
        await line.say("0")

    async def _windows(self, layer: LayerStream, windows: DeltaEncoder) -> AsyncGenerator[DeltaWindow, None]:
        async for block in in_blocks(self._passing(layer), _READ):
            async for window in _in_thread(windows.feed(block)):
                yield window
        async for window in _in_thread(windows.finish()):
            yield window

    async def _passing(self, layer: LayerStream) -> AsyncIterator[bytes]:
        async for piece in layer.pieces:
            self._meter.passed(len(piece))
            yield piece

    def _judge(self, status: int | None, said: str, complaint: str) -> None:
        """Raise what the script's end means.

        Raises:
            Doubt: Another archive may do.
            TransferFailed: No other would.
        """
        lines = [line.strip() for line in complaint.splitlines() if line.strip()]
        ours = [line.removeprefix(_OURS) for line in lines if line.startswith(_OURS)]
        unpacking = [line for line in said.splitlines() if line.lower().startswith("error unpacking")]
        if status == 0 and not unpacking and not ours:
            return
        if status == _SSH_FAILED or not (lines or unpacking):
            raise load_failed(self._machine.name, "the connection was lost", _RESUME)
        full = [line for line in lines if "no space left on device" in line.lower()]
        gone = [line for line in lines if line.lower().startswith(_GONE)]
        if gone:
            raise load_failed(self._machine.name, gone[0], _RESUME)
        raise load_refused(self._machine.name, (full or unpacking or ours or lines)[-1])


_OURS = "ftl: "
"""How the script's own complaints begin."""

_GONE = ("cannot connect to the docker daemon", "error during connect")
"""How the docker command's complaints begin when its engine does not answer, or does so no more."""

_SSH_FAILED = 255


class _Line:
    """What goes to the script: lines, and bytes whose number was said before.

    Small things are gathered: each write is a packet.
    """

    def __init__(
        self, stdin: asyncio.StreamWriter, lanes: Lanes, meter: Meter, limit: asyncio.Timeout
    ) -> None:
        self._stdin = stdin
        self._lanes = lanes
        self._meter = meter
        self._limit = limit
        self._raw = bytearray()

    async def raw(self, content: bytes) -> None:
        """Bytes of the archive as they are."""
        self._raw += content

    async def say(self, words: str) -> None:
        """One line."""
        await self.send(f"{words}\n".encode())

    async def frame(self, content: bytes) -> None:
        """A frame of a whole layer, by whichever channel has its turn."""
        number = await self._lanes.take(content)
        if number is None:
            await self.send(f"{len(content)}\n".encode(), content)
        else:
            await self.say(f"@ {number}")

    async def send(self, *chunks: bytes) -> None:
        """Lines and bytes; waits while the link is behind."""
        self._put_raw()
        for chunk in chunks:
            self._write(chunk)
        await self._drained()

    def _put_raw(self) -> None:
        if self._raw:
            self._write(f"raw {len(self._raw)}\n".encode() + self._raw)
            self._raw.clear()

    def _write(self, chunk: bytes) -> None:
        self._stdin.write(chunk)
        self._meter.handed_over(len(chunk))

    async def _drained(self) -> None:
        await self._stdin.drain()
        self._limit.reschedule(asyncio.get_running_loop().time() + STALL)


async def _in_thread(windows: Iterator[DeltaWindow]) -> AsyncIterator[DeltaWindow]:
    """What a blocking iterator yields."""
    while (window := await asyncio.to_thread(next, windows, None)) is not None:
        yield window


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The last of what a process says."""
    assert stream is not None
    kept = b""
    while chunk := await stream.read(_LAST_WORDS):
        kept = (kept + chunk)[-_LAST_WORDS:]
    return kept.decode(errors="replace")
