"""A real HTTP server on this machine that keeps what it is sent, and answers as a test says."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Post(NamedTuple):
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """Its JSON."""
        record = json.loads(self.body)
        assert isinstance(record, dict)
        return record


class Receiver:
    """The server.

    Attributes:
        posts: Requests that came.
        status: Status of the answers.
        headers: Further headers of the answers.
        seconds: Time until an answer.
    """

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.seconds = 0.0
        self.port = 0

    @property
    def url(self) -> str:
        """A URL with a secret path."""
        return f"http://127.0.0.1:{self.port}/T0/s3cr3t-t0k3n"


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.posts.append(Post(self.path, {**self.headers}, body))
            time.sleep(receiver.seconds)
            self.send_response(receiver.status)
            for name, value in {"Content-Length": "0", **receiver.headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
