"""Delivery by a script on the server (`remote/receive.sh`) that makes the archive of parts.

It needs zstd on the server. So zstd serves engines that cannot load it (before Docker 23), a layer can be sent as a
delta to one in the server's cache, and what has arrived of a transfer that was cut need not be sent again.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from ftl import child
from ftl.aio import shielded
from ftl.common.programs import shell
from ftl.dataclass import dataclass
from ftl.image.transfer.archive.blocks import in_blocks, map_in_threads
from ftl.image.transfer.delivery.delivery import STALL_SECONDS, load_failed, load_refused
from ftl.image.transfer.delivery.frames import THREADS, compress_frames
from ftl.image.transfer.delta.encoder import DeltaEncoder, DeltaWindow
from ftl.image.transfer.pack import RawBytes
from ftl.image.transfer.remote.capabilities import CachedLayer, cache_name
from ftl.image.transfer.remote.scripts import APPLY_DELTA, RECEIVE

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from ftl.image.transfer.delivery.digest_feed import DigestFeed
    from ftl.image.transfer.delta.bases import DeltaBase, DeltaBases
    from ftl.image.transfer.link_speed import LinkSpeed
    from ftl.image.transfer.pack import ArchivePart
    from ftl.image.transfer.progress.meter import Meter
    from ftl.image.transfer.sources.source import LayerStream
    from ftl.ssh.machine import Machine

_BLOCK = 512 << 10
"""Bytes of the new layer to encode as a delta at a time, in a thread."""

_OUTPUT_LIMIT = 4096
"""Bytes of the script's and the engine's output to keep."""

_SCRIPT_ERROR = "ftl: "
"""Beginning of error messages that the script itself writes."""

_ENGINE_GONE = ("cannot connect to the docker daemon", "error during connect")
"""Beginning of the docker command's error messages when its engine does not answer, or no longer does."""

_LINK = re.compile(r"^ftl-link ([0-9]{1,9}) ([0-9]{1,15})$", re.MULTILINE)
"""The script's measurement of the link: bytes, and nanoseconds."""
_SSH_FAILED = 255

_RESUME_HINT = "run it again: the layers that have arrived are not sent again"


@dataclass(frozen=True, slots=True)
class ScriptDelivery:
    """Delivery by the receiving script; see `Delivery`.

    At most `cache_limit` bytes of layers are cached there. `feed` has the script where it was started already, as it
    passes the stream on to other servers.
    """

    machine: Machine
    cache_limit: int
    bases: DeltaBases
    pace: LinkSpeed
    meter: Meter
    feed: DigestFeed | None = None

    async def deliver(self, parts: AsyncGenerator[ArchivePart, None]) -> None:
        """Send the archive part by part; see `Delivery`."""
        if self.feed is not None:
            process = self.feed.process
        else:
            arguments = receive_arguments(self.machine, self.cache_limit)
            process = await self.machine.start(shell(RECEIVE, "sh", *arguments))
        output = output_of(process)
        try:
            stdout, stderr = await self._send(process, parts, output)
        except TimeoutError as error:
            cause = f"nothing moved for {STALL_SECONDS / 60:.0f} minutes"
            raise load_failed(self.machine.name, cause, _RESUME_HINT) from error
        finally:
            await shielded(child.close_stdin(process))  # which ends the script and everything that it started
            output.cancel()
        self.pace.measured = link_speed(stdout)
        check_receipt(self.machine.name, process.returncode, stdout, stderr)

    async def _send(
        self,
        process: Process,
        parts: AsyncGenerator[ArchivePart, None],
        output: asyncio.Future[tuple[str, str]],
    ) -> tuple[str, str]:
        """Send all parts, and wait for the script to exit, which may happen before it has read everything."""
        assert process.stdin is not None
        async with asyncio.timeout(STALL_SECONDS) as limit:
            script = _ScriptInput(process.stdin, self.meter, limit, self.feed)
            with suppress(BrokenPipeError, ConnectionResetError):
                async for part in parts:
                    await self._send_part(script, part)
                await script.send_line("end")
                if self.feed is not None:
                    self.feed.end()
            process.stdin.close()
            texts = await asyncio.shield(output)
            await process.wait()
            return texts

    async def _send_part(self, script: _ScriptInput, part: ArchivePart) -> None:
        if isinstance(part, RawBytes):
            script.add_raw(part.content)
        elif isinstance(part, CachedLayer):
            await script.send_line(f"cached {part.name}")
        else:
            async with self.bases.base_of(part) as base:
                if base is None:
                    await self._send_whole(script, part)
                else:
                    await self._send_delta(script, part, base)

    async def _send_whole(self, script: _ScriptInput, layer: LayerStream) -> None:
        await script.send_line(f"whole {cache_name(layer.diff_id, layer.size)}")
        async with aclosing(compress_frames(self._counted(layer), self.pace)) as frames:
            async for frame in frames:
                await script.send(f"{len(frame)}\n".encode(), frame)
        await script.send_line("0")

    async def _send_delta(self, script: _ScriptInput, layer: LayerStream, base: DeltaBase) -> None:
        await script.send_line(f"base {base.cached.name}")  # it is unpacked there while it is read here
        base_layer, layer = await base.prepare(layer)
        if base_layer is None:
            await self._send_whole(script, layer)
            return
        self.meter.layer_is_delta(base.whole_size(layer.size))
        await script.send_line(f"delta {cache_name(layer.diff_id, layer.size)}")
        windows = self._windows(layer, DeltaEncoder(base_layer))
        async with aclosing(
            map_in_threads(windows, DeltaWindow.compress, threads=THREADS, ahead=1)
        ) as frames:
            async for frame in frames:
                await script.send(frame.encoded())
        await script.send_line("0")

    async def _windows(self, layer: LayerStream, encoder: DeltaEncoder) -> AsyncGenerator[DeltaWindow, None]:
        async for block in in_blocks(self._counted(layer), _BLOCK):
            async for window in _in_thread(encoder.feed(block)):
                yield window
        async for window in _in_thread(encoder.finish()):
            yield window

    async def _counted(self, layer: LayerStream) -> AsyncIterator[bytes]:
        async for chunk in layer.chunks:
            self.meter.bytes_read(len(chunk))
            yield chunk


def receive_arguments(machine: Machine, cache_limit: int) -> list[str]:
    """Arguments of `RECEIVE` for a server's engine."""
    load = ["docker", "--host", f"unix://{machine.engine_socket}", "load", "--quiet"]
    return [secrets.token_hex(8), str(cache_limit), APPLY_DELTA, *load]


def output_of(process: Process) -> asyncio.Future[tuple[str, str]]:
    """The last output of a script on stdout and stderr, once it has ended."""
    return asyncio.gather(_tail(process.stdout), _tail(process.stderr))


def check_receipt(server: str, status: int | None, stdout: str, stderr: str) -> None:
    """Raise the error that the script's exit status and output mean.

    Raises:
        VerificationFailed: A whole archive may work.
        TransferFailed: No other archive would work.
    """
    errors = [line.strip() for line in stderr.splitlines() if line.strip()]
    script_errors = [line.removeprefix(_SCRIPT_ERROR) for line in errors if line.startswith(_SCRIPT_ERROR)]
    load_errors = [line for line in stdout.splitlines() if line.lower().startswith("error unpacking")]
    if status == 0 and not load_errors and not script_errors:
        return
    if status == _SSH_FAILED or not (errors or load_errors):
        raise load_failed(server, "the connection was lost", _RESUME_HINT)
    if engine_gone := [line for line in errors if line.lower().startswith(_ENGINE_GONE)]:
        raise load_failed(server, engine_gone[0], _RESUME_HINT)
    disk_full = [line for line in errors if "no space left on device" in line.lower()]
    raise load_refused(server, (disk_full or load_errors or script_errors or errors)[-1])


class _ScriptInput:
    """Stdin of the receiving script: lines, and bytes whose number is in the line before.

    Raw bytes are gathered: each write is a packet.
    """

    def __init__(
        self, stdin: asyncio.StreamWriter, meter: Meter, limit: asyncio.Timeout, feed: DigestFeed | None
    ) -> None:
        self._stdin = stdin
        self._feed = feed
        self._meter = meter
        self._limit = limit
        self._raw = bytearray()

    def add_raw(self, content: bytes) -> None:
        """Add bytes of the archive, to be sent before whatever is sent next."""
        self._raw += content

    async def send_line(self, text: str) -> None:
        """Send one line."""
        await self.send(f"{text}\n".encode())

    async def send(self, *chunks: bytes) -> None:
        """Send bytes; waits while the link is behind."""
        if self._raw:
            self._write(f"raw {len(self._raw)}\n".encode() + self._raw)
            self._raw.clear()
        for chunk in chunks:
            self._write(chunk)
        await self._stdin.drain()
        self._limit.reschedule(asyncio.get_running_loop().time() + STALL_SECONDS)

    def _write(self, chunk: bytes) -> None:
        self._stdin.write(chunk)
        if self._feed is not None:
            self._feed.update(chunk)
        self._meter.bytes_sent(len(chunk))


def link_speed(stdout: str) -> float | None:
    """The link's speed in bytes a second that the script measured; None if it did not."""
    match = _LINK.search(stdout)
    return int(match[1]) / max(1, int(match[2])) * 1e9 if match else None


async def _in_thread(windows: Iterator[DeltaWindow]) -> AsyncIterator[DeltaWindow]:
    """Iterate over a blocking iterator in threads."""
    while (window := await asyncio.to_thread(next, windows, None)) is not None:
        yield window


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The last bytes of a process's output."""
    assert stream is not None
    tail = b""
    while chunk := await stream.read(_OUTPUT_LIMIT):
        tail = (tail + chunk)[-_OUTPUT_LIMIT:]
    return tail.decode(errors="replace")
