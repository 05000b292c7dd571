"""The engine's multiplexed streams: frames of stdout and stderr, and the log lines in them.

A frame is a header of 8 bytes (stream 0-2, three zeros, the length as a big-endian 32-bit number) and the
content: "Stream format" under ContainerAttach in the Engine API reference. FTL's containers have no terminal,
so their streams are always multiplexed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

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


@dataclass(slots=True)
class _Unfinished:
    """The beginning of a line whose end has not arrived yet."""

    time: str = ""
    parts: list[bytes] = field(default_factory=list)


async def log_lines(
    source: AsyncIterable[tuple[Stream, bytes]], *, timestamps: bool
) -> AsyncIterator[LogLine]:
    """Whole lines from the frames of a log.

    The engine writes a line longer than 16 KiB as several frames, only the last of which ends in a newline,
    and puts a timestamp before every one of them (seen on 20.10): the line keeps the first.
    """
    open_lines: dict[Stream, _Unfinished] = {"stdout": _Unfinished(), "stderr": _Unfinished()}
    async for stream, payload in source:
        line = open_lines[stream]
        time, content = _split_time(payload) if timestamps else ("", payload)
        line.time = line.time or time
        *whole, rest = content.split(b"\n")
        for part in whole:
            yield _line(stream, line.time, [*line.parts, part])
            line.parts.clear()
        if whole:
            line.time = time if rest else ""
        if rest:
            line.parts.append(rest)
    for stream, line in open_lines.items():
        if line.parts:
            yield _line(stream, line.time, line.parts)


def _split_time(payload: bytes) -> tuple[str, bytes]:
    time, _space, content = payload.partition(b" ")
    return time.decode("ascii", "replace"), content


def _line(stream: Stream, time: str, parts: list[bytes]) -> LogLine:
    return LogLine(
        stream=stream, time=time, text=b"".join(parts).decode("utf-8", "replace").removesuffix("\r")
    )
