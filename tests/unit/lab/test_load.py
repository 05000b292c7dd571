"""The load generator counts what a retrying client would hide."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from lab.load import Load, Request, Tally, Target

if TYPE_CHECKING:
    from collections.abc import Iterator


class Peer(BaseHTTPRequestHandler):
    """Answers by path: /cut ends the connection without a word, /last after its answer, /wrong with 500."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/cut":
            self.close_connection = True
            return
        self.send_response(500 if self.path == "/wrong" else 200)
        self.send_header("Content-Length", "0")
        if self.path == "/last":
            self.send_header("Connection", "close")
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def target() -> Iterator[Target]:
    """A server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Peer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Target("127.0.0.1", server.server_port, "shop.example.com")
        server.shutdown()


def tally(target: Target, *requests: Request, at_least: int = 8) -> Tally:
    """What two clients saw that sent these requests for a moment."""
    with Load(target, requests, clients=2, pause=0, limit=20) as load:
        while load.so_far < at_least:
            time.sleep(0.01)
    return load.tally


def test_answers_as_expected_are_no_failures(target: Target) -> None:
    """Good answers to GET and POST count as requests alone, on one connection a client."""
    seen = tally(target, Request("GET", "/"), Request("POST", "/orders", b"{}"))
    assert seen.requests >= 8
    assert seen.failed == 0
    assert seen.connections == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_cut_connection_is_a_failure(target: Target, method: str) -> None:
    """A connection that ends without an answer fails its request: nothing is sent twice."""
    seen = tally(target, Request(method, "/"), Request(method, "/cut", b"" if method == "POST" else None))
    assert seen.failed == sum(seen.reasons.values()) > 0
    assert all(reason.startswith(f"{method} /cut: RemoteDisconnected") for reason in seen.reasons)


def test_an_unexpected_status_is_a_failure(target: Target) -> None:
    """Every other status than the one that is expected is counted, and named."""
    seen = tally(target, Request("GET", "/wrong"))
    assert seen.failed == seen.requests
    assert all("500" in reason for reason in seen.reasons)


def test_a_connection_that_is_closed_properly_is_no_failure(target: Target) -> None:
    """A server may end a connection with its answer; the client opens another one and says so."""
    seen = tally(target, Request("GET", "/last"))
    assert seen.failed == 0
    assert seen.connections == seen.requests


def test_the_load_ends_by_itself(target: Target) -> None:
    """Clients stop at the limit even if nobody stops them."""
    with Load(target, [Request("GET", "/")], clients=2, pause=0, limit=0.05) as load:
        while any(thread.is_alive() for thread in load.threads):
            time.sleep(0.01)
    assert load.tally.failed == 0
