"""Digests of a stream, sent to the servers that receive it from another server."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import StreamWriter
    from asyncio.subprocess import Process
    from collections.abc import Sequence

PART = 1 << 20
"""Bytes for which there is a digest; a receiver compares them before it passes them on."""


class DigestFeed:
    """Sends the digests of a stream to the servers that get it from another server.

    Each line is a number of bytes and their SHA-256; one with 0 is the end. See relay_take.pl.

    Args:
        listeners: Stdin of the scripts on the others, over SSH.
    """

    def __init__(self, process: Process, listeners: Sequence[StreamWriter]) -> None:
        self.process = process
        self._listeners = listeners
        self._hash = hashlib.sha256()
        self._count = 0

    def update(self, chunk: bytes | bytearray) -> None:
        """Count bytes of the stream."""
        rest = memoryview(chunk)
        while rest:
            part, rest = rest[: PART - self._count], rest[PART - self._count :]
            self._hash.update(part)
            self._count += len(part)
            if self._count == PART:
                self._write_part()

    def end(self) -> None:
        """Nothing more is sent."""
        if self._count:
            self._write_part()
        self._write("0")

    def _write_part(self) -> None:
        self._write(f"{self._count} {self._hash.hexdigest()}")
        self._hash, self._count = hashlib.sha256(), 0

    def _write(self, line: str) -> None:
        for listener in self._listeners:
            with suppress(BrokenPipeError, ConnectionResetError):
                listener.write(f"{line}\n".encode())
