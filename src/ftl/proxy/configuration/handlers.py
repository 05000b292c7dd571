"""Caddy's handlers and routes of which the configuration is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.common.json_fields import JsonObject


RETRY_AFTER = "120"
"""Seconds after which clients of a project in maintenance shall try again."""


def route(match: JsonObject, *handlers: JsonObject) -> JsonObject:
    """A route that ends the request; an empty matcher matches all."""
    return {"match": [match], "handle": list(handlers), "terminal": True} if match else always(*handlers)


def always(*handlers: JsonObject) -> JsonObject:
    """A route for all requests, which ends them."""
    return {"handle": list(handlers), "terminal": True}


def proxy_to(upstream: str, port: int, *, trusted: Sequence[str] = (), h2c: bool = False) -> JsonObject:
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
            **({"versions": ["h2c", "2"]} if h2c else {}),
            "dial_timeout": "2s",
            "compression": False,
            # Shorter than the common keep-alive of servers (gunicorn 2 s; uvicorn and Node 5 s): a POST is never sent
            # on a connection that the other end is about to close.
            "keep_alive": {"enabled": True, "idle_timeout": "1500ms", "max_idle_conns_per_host": 128},
        },
        # A reload keeps WebSockets open; they end with their container.
        "stream_close_delay": "720h",
    }


def distrust_client(trusted: Sequence[str]) -> JsonObject:
    """Replace or remove headers by which a client could pass for another.

    Those of `trusted` are kept. `X-Forwarded-For`, `-Proto` and `-Host` are set by `proxy_to` afterwards.
    """
    headers: JsonObject = {
        "handler": "headers",
        "request": {"set": {"X-Real-Ip": ["{http.request.remote.host}"]}, "delete": list(_CLIENT_HEADERS)},
    }
    if not trusted:
        return headers
    stranger: JsonObject = {"not": [{"remote_ip": {"ranges": list(trusted)}}]}
    return {"handler": "subroute", "routes": [{"match": [stranger], "handle": [headers]}]}


_CLIENT_HEADERS = (
    "Forwarded",
    "X-Forwarded-*",
    "True-Client-Ip",
    "X-Client-Ip",
    "X-Cluster-Client-Ip",
    "X-Original-Forwarded-For",
    "Cf-Connecting-Ip",
    "Cf-Connecting-Ipv6",
    "Fastly-Client-Ip",
    "X-Envoy-External-Address",
)
"""Headers in which load balancers and CDNs say who the client is, and applications believe them.

RFC 7239's, nginx's, Akamai's and Cloudflare's, Fastly's, Envoy's.
"""


def add_forwarded_prefix(path: str) -> JsonObject:
    """Tell the service which prefix was removed: it needs that for the links it makes."""
    prefix = [f"{{http.request.header.X-Forwarded-Prefix}}{path}"]
    return {"handler": "headers", "request": {"set": {"X-Forwarded-Prefix": prefix}}}


def not_found() -> JsonObject:
    """The last route of every listener."""
    return always(_text("404", "Nothing is served here.\n"))


def unavailable() -> JsonObject:
    """The answer when a request fails in the proxy."""
    return _text("{http.error.status_code}", "{http.error.status_code} {http.error.status_text}\n")


def in_maintenance(page: str) -> JsonObject:
    """The answer of a project in maintenance; clients that can wait try again."""
    kind = "text/html" if page else "text/plain"
    return {
        "handler": "static_response",
        "status_code": "503",
        "headers": {
            "Content-Type": [f"{kind}; charset=utf-8"],
            "Retry-After": [RETRY_AFTER],
            "Cache-Control": ["no-store"],
        },
        "body": page or "Down for maintenance. Please try again in a few minutes.\n",
    }


def _text(status: str, body: str) -> JsonObject:
    return {
        "handler": "static_response",
        "status_code": status,
        "headers": {"Content-Type": ["text/plain; charset=utf-8"]},
        "body": body,
    }
