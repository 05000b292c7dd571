"""Requests to the engine that are sent while FTL itself is still loaded.

Loading the program and reading ftl.yaml take as long as the round trips of a command that only reads. What the same
command (its words, its folder) asked the engine the last time is therefore asked at once, over the connection that is
kept, before anything else is imported. An answer counts only if the command then finds, by its configuration, that this
is its connection, and makes the same request; so nothing that it prints is older than the command. Only `GET` requests
without a body are noted and sent: asking the wrong engine, or in vain, changes nothing.

Imports little, for the same reason.
"""

from __future__ import annotations

import os
from binascii import crc32

from ftl.ssh.multiplexing.runtime import candidates, is_private

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from socket import socket

    Exchange = tuple[bytes, socket]
    """A request, and the connection on which it was sent."""

USUAL = "usual"
"""File name of the forward to the engine's usual socket, in the folder of a kept connection."""

RETIRED = "retired"
"""File name by which a kept connection is retired."""

MOST = 32
"""Requests at most: each takes a connection."""

NOTES = ".asked"
"""End of the names of files with noted requests, in the folder of all kept connections."""

_LONGEST = 64 * 1024
_END = b"\r\n\r\n"


class _SentEarly:
    """Requests that this process has sent early, through a forward, and that nobody has taken yet.

    `name` is the file with those of this command, for the next one; empty before `begin`.
    """

    def __init__(self) -> None:
        self.name = ""
        self.path = ""
        self.exchanges: list[Exchange] = []


_sent_early = _SentEarly()


def begin(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Send the engine requests of the last run of these words, if its connection is kept."""
    try:
        parts = (os.getcwd(), environ.get("FTL_ENV", ""), *words)  # noqa: PTH109 - pathlib takes 5 ms to import
        _sent_early.name = f"{crc32(os.fsencode(chr(0).join(parts))):08x}{NOTES}"
        for folder in candidates(environ):
            if os.path.exists(f"{folder}/{_sent_early.name}"):  # noqa: PTH110
                if is_private(folder):
                    _send_all(folder)
                return
    except OSError:  # a hint is missing, or its connection is gone
        return


def _send_all(folder: str) -> None:
    with open(f"{folder}/{_sent_early.name}", "rb") as file:  # noqa: PTH123
        connection, _, noted = file.read(_LONGEST).partition(b"\n")
    name = os.fsdecode(connection)
    if "/" in name or os.path.exists(f"{folder}/{name}/{RETIRED}"):  # noqa: PTH110
        return
    _sent_early.path = f"{folder}/{name}/{USUAL}"
    for request in noted.split(_END)[:MOST]:
        if request.startswith(b"GET /"):
            _sent_early.exchanges.append((request + _END, _sent(_sent_early.path, request + _END)))


def _sent(path: str, request: bytes) -> socket:
    """A connection on which a request was sent, without waiting."""
    import socket  # 5 ms, which `ftl validate` does not need

    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.connect(path)
        if connection.send(request) != len(request):
            raise BlockingIOError
    except OSError:
        connection.close()
        raise
    return connection


def is_sent(url: str) -> bool:
    """Whether requests were sent early through a forward, and have not been taken yet."""
    return bool(_sent_early.exchanges) and url == f"unix://{_sent_early.path}"


def take(url: str) -> list[Exchange]:
    """Take the requests that were sent early through a forward, and close all others."""
    taken = []
    for request, connection in _sent_early.exchanges:
        if url == f"unix://{_sent_early.path}":
            taken.append((request, connection))
        else:
            connection.close()
    _sent_early.exchanges.clear()
    return taken


def note(shared: Path, requests: Iterable[bytes]) -> None:
    """Store this command's engine requests, for the next one with the same words to send early."""
    if not _sent_early.name:
        return
    noted = dict.fromkeys(request for request in requests if request.find(_END) == len(request) - len(_END))
    content = b"".join(list(noted)[:MOST])
    if len(content) < _LONGEST - 1024:
        try:
            new = shared / _sent_early.name
            new.write_bytes(os.fsencode(shared.name) + b"\n" + content)
            new.replace(shared.parent / _sent_early.name)
        except OSError:  # a hint only
            return
