"""Load generator: keep-alive clients that send one request after the other and never retry.

What a retrying client or a load balancer would paper over is counted here: a connection that ends under a
request, an answer that does not come, a status that is not expected.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: `address` is connected to, `host` is what they ask for (and TLS verifies)."""

    address: str
    port: int
    host: str
    tls: ssl.SSLContext | None = None

    def connect(self, timeout: float) -> HTTPConnection:
        """A connection that opens itself with its first request."""
        if self.tls is None:
            return HTTPConnection(self.address, self.port, timeout=timeout)
        return _NamedHTTPSConnection(self, timeout)


class _NamedHTTPSConnection(HTTPSConnection):
    """TLS to an address, for a name."""

    def __init__(self, target: Target, timeout: float) -> None:
        assert target.tls is not None
        super().__init__(target.address, target.port, timeout=timeout, context=target.tls)
        self._target = target

    def connect(self) -> None:
        """Connect to the address and verify the name."""
        HTTPConnection.connect(self)
        assert self._target.tls is not None
        self.sock = self._target.tls.wrap_socket(self.sock, server_hostname=self._target.host)


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of request; every other answer than `expect` is a failure."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    expect: int = 200


@dataclass(slots=True)
class Tally:
    """What happened: `reasons` tells the failures apart, `longest` is the slowest answer in seconds."""

    requests: int = 0
    failed: int = 0
    connections: int = 0
    longest: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count what another client saw, too."""
        self.requests += other.requests
        self.failed += other.failed
        self.connections += other.connections
        self.longest = max(self.longest, other.longest)
        self.reasons.update(other.reasons)


class Load:
    """Clients at work while the `with` block runs; `tally` is whole once it has ended.

    Args:
        target: Where to.
        requests: What each client sends, in turn, each client beginning at another place.
        clients: How many, each a thread with one connection.
        pause: Seconds a client rests after an answer: the deploy under test needs the processor, too.
        limit: Seconds after which the clients stop by themselves.
        timeout: Seconds to wait for an answer.
        saw: Called with every expected answer's body, from the clients' threads.
    """

    def __init__(
        self,
        target: Target,
        requests: Sequence[Request],
        *,
        clients: int = 16,
        pause: float = 0.01,
        limit: float = 600.0,
        timeout: float = 30.0,
        saw: Callable[[Request, bytes], None] | None = None,
    ) -> None:
        self.tally = Tally()
        self._target = target
        self._requests = tuple(requests)
        self._pause = pause
        self._limit = limit
        self._timeout = timeout
        self._saw = saw
        self._stop = threading.Event()
        self._tallies = [Tally() for _ in range(clients)]
        self.threads = [
            threading.Thread(target=self._client, args=(number, tally), name=f"client-{number}", daemon=True)
            for number, tally in enumerate(self._tallies)
        ]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self.threads:
            thread.join(self._timeout + 5)
        for tally in self._tallies:
            self.tally.add(tally)

    @property
    def so_far(self) -> int:
        """Requests answered or failed until now."""
        return sum(tally.requests for tally in self._tallies)

    def _client(self, number: int, tally: Tally) -> None:
        connection = self._target.connect(self._timeout)
        end = time.monotonic() + self._limit
        turn = number
        while not self._stop.is_set() and time.monotonic() < end:
            self._ask(connection, self._requests[turn % len(self._requests)], tally)
            turn += 1
            self._stop.wait(self._pause)
        connection.close()

    def _ask(self, connection: HTTPConnection, request: Request, tally: Tally) -> None:
        headers = {"Host": self._target.host, **request.headers}
        if connection.sock is None:
            tally.connections += 1
        began = time.monotonic()
        tally.requests += 1
        try:
            connection.request(request.method, request.path, request.body, headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            tally.failed += 1
            tally.reasons[f"{request.method} {request.path}: {type(error).__name__}: {error}"] += 1
            connection.close()
            self._stop.wait(0.1)  # a server that is gone is not to be hammered
            return
        tally.longest = max(tally.longest, time.monotonic() - began)
        if answer.status != request.expect:
            tally.failed += 1
            tally.reasons[f"{request.method} {request.path}: {answer.status} {body[:100]!r}"] += 1
        elif self._saw is not None:
            self._saw(request, body)
