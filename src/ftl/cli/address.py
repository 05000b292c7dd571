"""What --server means: an address, `local`, or `sandbox`."""

from __future__ import annotations

import re

from ftl.config import Server
from ftl.errors import UsageError

_ADDRESS = re.compile(
    r"(?:ssh://)?"
    r"(?:(?P<user>[^@:/\s-][^@:/\s]*)@)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^@:/\s\[\]-][^@:/\s\[\]]*))"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)


def resolve(text: str) -> Server:
    """The server that --server names; `sandbox` is this machine's throwaway server, which must be up.

    Raises:
        UsageError: It is not an address.
    """
    if text == "sandbox":
        from ftl.server.sandbox import address

        return address().server
    return parse(text)


def parse(text: str) -> Server:
    """Read HOST, USER@HOST, HOST:PORT, [v6]:PORT or ssh://USER@HOST:PORT.

    A host or user that begins with a dash is refused: ssh would take it for an option.

    Raises:
        UsageError: It is none of these.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise UsageError(
            f"`{text}` is not a server", hint="write HOST, USER@HOST, HOST:PORT or ssh://USER@HOST:PORT"
        )
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"`{text}`: {port} is not a port", hint="ports go from 1 to 65535")
    return Server(host=found["v6"] or found["host"], port=port, user=found["user"])
