"""Caddy's handlers and routes of which the configuration is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, object]


def route(match: Json, *handlers: Json) -> Json:
    """A route that ends the request; an empty matcher matches all."""
    return {"match": [match], "handle": list(handlers), "terminal": True} if match else always(*handlers)


def always(*handlers: Json) -> Json:
    """A route for all requests, which ends them."""
    return {"handle": list(handlers), "terminal": True}


def proxy_to(upstream: str, port: int, *, trusted: Sequence[str] = ()) -> Json:
    """Proxy to the containers behind a name.

    `X-Forwarded-*` headers are kept and extended if the request comes from one of `trusted`, else replaced.
    """
    return {
        **({"trusted_proxies": list(trusted)} if trusted else {}),
        "handler": "reverse_proxy",
        "dynamic_upstreams": {
            "source": "a",
            "name": upstream,
            "port": str(port),
            "refresh": "1s",
            "versions": {"ipv4": True, "ipv6": False},
        },
        "load_balancing": {
            "selection_policy": {"policy": "least_conn"},
            # Failed dials are retried for any method, since nothing was sent; after that only GET is.
            "try_duration": "5s",
            "try_interval": "250ms",
        },
        "transport": {
            "protocol": "http",
            "dial_timeout": "2s",
            "compression": False,
            # Shorter than the common keep-alive of servers (gunicorn 2 s; uvicorn and Node 5 s): a POST is never sent
            # on a connection that the other end is about to close.
            "keep_alive": {"enabled": True, "idle_timeout": "1500ms", "max_idle_conns_per_host": 128},
        },
        # A reload keeps WebSockets open; they end with their container.
        "stream_close_delay": "720h",
    }


def not_found() -> Json:
    """The last route of every listener."""
    return always(_text("404", "Nothing is served here.\n"))


def unavailable() -> Json:
    """The answer when a request fails in the proxy."""
    return _text("{http.error.status_code}", "{http.error.status_code} {http.error.status_text}\n")


def _text(status: str, body: str) -> Json:
    return {
        "handler": "static_response",
        "status_code": status,
        "headers": {"Content-Type": ["text/plain; charset=utf-8"]},
        "body": body,
    }
