"""Let one configuration take over from another without a lost request.

Caddy loads a configuration by starting new servers beside the old ones and then shutting those down, which closes
every idle keep-alive connection: the next request on one of them is lost (90 of 8,400 in six reloads, with 16 busy
clients that never retry). A server loses none (0 of 52,000) only if it first goes on for a second, answering with
`Connection: close`.

Caddy grants that time (`shutdown_delay`) only where a listener goes away for good (seen in 2.11's `App.Stop`). So
each server gets one more listener that nothing connects to, at a path that no other configuration has.

Connections in the queue are handed over by the kernel: each configuration listens on separate sockets (SO_REUSEPORT),
and connections that wait in the queue of one that closes would be reset (see `sysctls`).
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.common.json_fields import JsonObject


_DELAY = "1s"
"""Time for clients to see `Connection: close`.

A connection that is used at least this often is closed cleanly.
"""

_MIGRATION_SINCE = (5, 14)


def sysctls(kernel: str) -> dict[str, str]:
    """Sysctls of the proxy's network namespace, for a kernel version ("6.1.0-18-amd64").

    With `tcp_migrate_req`, connections that are not accepted yet move to the new configuration's socket when the old
    one closes, instead of being reset. Linux has it from 5.14 on (Documentation/networking/ip-sysctl.rst); on an
    older one a container that asks for it does not start.
    """
    version = re.match(r"(\d+)\.(\d+)", kernel)
    if version is None or (int(version[1]), int(version[2])) < _MIGRATION_SINCE:
        return {}
    return {"net.ipv4.tcp_migrate_req": "1"}


def graceful_app(servers: dict[str, JsonObject]) -> JsonObject:
    """Caddy's `http` app for these servers, which the next configuration replaces without loss."""
    digest = hashlib.sha256(json.dumps(servers, sort_keys=True).encode()).hexdigest()[:12]
    return {
        "shutdown_delay": _DELAY,
        "servers": {name: _with_extra_listener(name, server, digest) for name, server in servers.items()},
    }


def _with_extra_listener(name: str, server: JsonObject, digest: str) -> JsonObject:
    listen, routes = server["listen"], server["routes"]
    assert isinstance(listen, list)
    assert isinstance(routes, list)
    return {
        **server,
        "listen": [*listen, f"unix//dev/shm/{name}-{digest}.sock"],
        # HTTP/3 needs a datagram socket.
        "listen_protocols": [*([server["protocols"]] * len(listen)), ["h1"]],
        "routes": [_close_connections(), *routes],
    }


def _close_connections() -> JsonObject:
    """Route that ends connections while the server shuts down; not upgrades, which have another Connection header."""
    return {
        "match": [{"vars": {"{http.shutting_down}": ["true"]}, "not": [{"header": {"Upgrade": ["*"]}}]}],
        "handle": [{"handler": "headers", "response": {"set": {"Connection": ["close"]}}}],
    }
