"""Unix socket that answers HTTP requests with given bytes, as an engine would."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence


class Server:
    """Answers each request with the next bytes of a script, and counts connections.

    An answer that ends with `...` is not finished: the connection closes after it.
    """

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []
        self.connections = 0
        self._by_path: Mapping[str, bytes] = {}

    def answer_by_path(self, answers: Mapping[str, bytes]) -> None:
        """Answer every request by its path instead; any other path gets no answer."""
        self._by_path = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while self.answers or self._by_path:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head.decode().split(" ")[1])
                answer = self._by_path[self.requests[-1]] if self._by_path else self.answers.pop(0)
                writer.write(answer.removesuffix(b"..."))
                await writer.drain()
                if answer.endswith(b"..."):
                    break
        writer.close()


@asynccontextmanager
async def served(*answers: bytes) -> AsyncIterator[tuple[Server, str]]:
    """A server and its URL."""
    server = Server(answers)
    with tempfile.TemporaryDirectory(prefix="ftl-", dir="/tmp") as folder:
        path = Path(folder, "socket")
        async with await asyncio.start_unix_server(server.serve, path):
            yield server, f"unix://{path}"
