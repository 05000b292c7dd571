"""The links to a server: a relay in a process of its own, which makes them longer and thinner and counts the bytes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STOP_SECONDS = 10.0
_CEILING_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Link:
    """What lies between here and the server.

    Attributes:
        delay: Seconds each way: half of the round-trip time.
        rate: Bytes a second each way; None: as fast as it goes.
    """

    name: str
    delay: float = 0.0
    rate: float | None = None


LINKS: Mapping[str, Link] = {
    link.name: link
    for link in (
        Link("loopback"),
        Link("100mbit-30ms", 0.015, 100e6 / 8),
        Link("20mbit-60ms", 0.030, 20e6 / 8),
    )
}


@dataclass(slots=True)
class Carried:
    """What went over a link: bytes from here, and to here; known when it is closed."""

    port: int
    pid: int
    up: int = field(default=0)
    down: int = field(default=0)


@contextmanager
def opened(link: Link, host: str, port: int) -> Iterator[Carried]:
    """A way to host:port over the link: connect to `port` of what this yields, on 127.0.0.1."""
    argv = [sys.executable, "-m", "lab", "relay", "--to", f"{host}:{port}", "--delay", str(link.delay * 1000)]
    if link.rate is not None:
        argv += ["--rate", str(link.rate)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            carried = Carried(json.loads(process.stdout.readline())["port"], process.pid)
            yield carried
            time.sleep(2 * link.delay + 0.05)  # what was said at last is still under way
        finally:
            process.terminate()
            said, _ = process.communicate(timeout=_STOP_SECONDS)
        counted = json.loads(said)
        carried.up, carried.down = counted["bytes_up"], counted["bytes_down"]


def ceiling() -> float:
    """Bytes a second that the relay passes on when it does not slow anything down: no method may come near it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sink = threading.Thread(target=_swallow, args=(listening,), name="sink")
        sink.start()
        host, port = listening.getsockname()
        piece = memoryview(bytes(1 << 20))
        with (
            opened(LINKS["loopback"], host, port) as carried,
            socket.create_connection(("127.0.0.1", carried.port)) as own,
        ):
            began = time.monotonic()
            for _ in range(_CEILING_BYTES // len(piece)):
                own.sendall(piece)
            own.shutdown(socket.SHUT_WR)
            own.recv(1)
            seconds = time.monotonic() - began
        sink.join()
    return _CEILING_BYTES / seconds


def _swallow(listening: socket.socket) -> None:
    """Read one connection to its end, then say a byte."""
    own, _ = listening.accept()
    with own:
        while own.recv(1 << 20):
            pass
        own.sendall(b"x")
