"""The engine's multiplexed streams: frames of stdout and stderr, and the log lines in them.

A frame is a header of 8 bytes (stream 0-2, three zeros, the length as a big-endian 32-bit number) and the
content: "Stream format" under ContainerAttach in the Engine API reference. FTL's containers have no terminal,
so their streams are always multiplexed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

from ftl.common.lines import LineSplitter
from ftl.engine.values import LogLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

Stream = Literal["stdout", "stderr"]

_HEADER = struct.Struct(">BxxxL")


async def frames(chunks: AsyncIterable[bytes]) -> AsyncIterator[tuple[Stream, bytes]]:
    """Split a byte stream into frames; a frame that is cut off at the end is dropped."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        start = 0
        while len(buffer) - start >= _HEADER.size:
            number, length = _HEADER.unpack_from(buffer, start)
            end = start + _HEADER.size + length
            if len(buffer) < end:
                break
            yield ("stderr" if number == 2 else "stdout"), bytes(buffer[start + _HEADER.size : end])
            start = end
        del buffer[:start]


async def log_lines(
    source: AsyncIterable[tuple[Stream, bytes]], *, timestamps: bool
) -> AsyncIterator[LogLine]:
    """Whole lines from the frames of a log.

    The engine writes a line longer than 16 KiB as several frames, only the last of which ends in a newline,
    and puts a timestamp before every one of them (seen on 20.10): the line keeps the first. One
    that is longer than `MAX_LINE` continues in another line.
    """
    splitters: dict[Stream, LineSplitter] = {"stdout": LineSplitter(), "stderr": LineSplitter()}
    begun: dict[Stream, str] = {"stdout": "", "stderr": ""}  # times of the lines that have no end yet
    async for stream, payload in source:
        time, content = _split_time(payload) if timestamps else ("", payload)
        started, splitter = begun[stream] or time, splitters[stream]
        lines = splitter.feed(content)
        for line in lines:
            yield _line(stream, started, line)
        begun[stream] = (time if lines else started) if splitter.has_rest else ""
    for stream, splitter in splitters.items():
        if splitter.has_rest:
            yield _line(stream, begun[stream], splitter.rest())


def _split_time(payload: bytes) -> tuple[str, bytes]:
    time, _space, content = payload.partition(b" ")
    return time.decode("ascii", "replace"), content


def _line(stream: Stream, time: str, line: bytes) -> LogLine:
    return LogLine(stream=stream, time=time, text=line.decode("utf-8", "replace").removesuffix("\r"))
