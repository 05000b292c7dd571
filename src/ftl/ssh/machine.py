"""A machine that FTL works on: a server over OpenSSH, or this one. The seam that the rest is written against."""

from __future__ import annotations

from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command on the machine left behind."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes


class Machine(Protocol):
    """Where an engine runs and commands can be run.

    Attributes:
        name: What messages call it: the host as the user wrote it, or "this machine".
    """

    name: str

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Run a command to its end; a status other than 0 is the caller's to judge.

        Raises ServerError when the machine cannot be reached.
        """
        ...

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a command with pipes on stdin, stdout and stderr; it ends with the connection."""
        ...

    async def engine_url(self) -> str:
        """A URL on this machine at which the machine's engine answers ("unix:///..."), forwarded if need be.

        Raises ServerError with the reason (user not in the docker group, no engine, forwarding not allowed).
        """
        ...

    def dial(self, host: str, port: int) -> AbstractAsyncContextManager[str]:
        """Reach host:port as seen from the machine: yields "unix:///..." or "tcp://host:port" to connect to here."""
        ...

    async def listen(self, local_port: int, host: str, port: int) -> None:
        """Forward 127.0.0.1:local_port here to host:port there, until the machine is closed.

        Raises UsageError when the local port is taken.
        """
        ...

    async def close(self) -> None:
        """End the connection and everything that runs over it."""
        ...
