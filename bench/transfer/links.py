"""Links to a server: a relay process adds delay, limits the rate, and counts the bytes."""

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
    """A link between this machine and the server.

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
class LinkTraffic:
    """Bytes sent and received over a link; known when it is closed."""

    port: int
    pid: int
    up: int = field(default=0)
    down: int = field(default=0)


@contextmanager
def open_link(link: Link, host: str, port: int) -> Iterator[LinkTraffic]:
    """Open a link to host:port: connect to the `port` that this yields, on 127.0.0.1."""
    argv = [sys.executable, "-m", "lab", "relay", "--to", f"{host}:{port}", "--delay", str(link.delay * 1000)]
    if link.rate is not None:
        argv += ["--rate", str(link.rate)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            traffic = LinkTraffic(json.loads(process.stdout.readline())["port"], process.pid)
            yield traffic
            time.sleep(2 * link.delay + 0.05)  # the last bytes are still on the link
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=_STOP_SECONDS)
        counted = json.loads(output)
        traffic.up, traffic.down = counted["bytes_up"], counted["bytes_down"]


def ceiling() -> float:
    """Bytes a second through a relay without limits, which no method may come near."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sink = threading.Thread(target=_swallow, args=(listening,), name="sink")
        sink.start()
        host, port = listening.getsockname()
        piece = memoryview(bytes(1 << 20))
        with (
            open_link(LINKS["loopback"], host, port) as traffic,
            socket.create_connection(("127.0.0.1", traffic.port)) as connection,
        ):
            began = time.monotonic()
            for _ in range(_CEILING_BYTES // len(piece)):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)
            seconds = time.monotonic() - began
        sink.join()
    return _CEILING_BYTES / seconds


def _swallow(listening: socket.socket) -> None:
    """Read one connection to its end, then send a byte."""
    connection, _ = listening.accept()
    with connection:
        while connection.recv(1 << 20):
            pass
        connection.sendall(b"x")
