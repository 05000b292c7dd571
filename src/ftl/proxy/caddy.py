"""Rendering of sites to Caddy's configuration: pure, and the same bytes for the same sites.

So an unchanged configuration is never reloaded. There are three kinds of listener. Port 80 serves internal names of
that port to their project, then the public routes. Port 443 serves the public routes of sites with TLS. Every other
port that a service listens on serves internal names only. Public requests arrive on the network `ftl-edge`, so none
comes from a project's subnet.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ftl.proxy.handover import graceful_app
from ftl.proxy.names import ADMIN, STORAGE, live_file
from ftl.proxy.tls import policy

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from ftl.proxy.site import InternalName, Site, SiteRoute

Json = dict[str, object]

HTTP, HTTPS = 80, 443

# A host that is an address or localhost, as in a first test before any DNS name exists.
_BY_ADDRESS = r"^(localhost|[0-9.]+|\[?[0-9a-fA-F:]*:[0-9a-fA-F:.]*\]?)$"


def render(sites: Sequence[Site]) -> bytes:
    """The configuration file's bytes."""
    return json.dumps(caddy_config(sites), indent=1, sort_keys=True).encode() + b"\n"


def caddy_config(sites: Sequence[Site]) -> Json:
    """Caddy's JSON configuration for all projects on a server, in any order of `sites`."""
    ordered = sorted(sites, key=lambda site: site.project)
    servers: dict[str, Json] = {"http": _server(HTTP, [*_internal(ordered, HTTP), *_public_http(ordered)])}
    secured = policy.secured_hosts(ordered)
    if secured:
        routes = [*_redirects(ordered, only=secured), *_routes(ordered, only=secured), _not_found()]
        servers["https"] = {**_server(HTTPS, routes), "tls_connection_policies": [{}]}
    ports = {name.port for site in ordered for name in site.internal} - {HTTP, HTTPS}
    for port in sorted(ports):
        servers[f"internal-{port}"] = _server(port, [*_internal(ordered, port), _not_found()])
    return {
        "admin": {"listen": ADMIN, "config": {"persist": False}},
        "logging": {"logs": {"default": {"exclude": ["admin.api"]}}},
        "storage": {"module": "file_system", "root": STORAGE},
        "apps": {"http": _http(ordered, servers), **policy.tls_apps(ordered)},
    }


def only_site(sites: Sequence[Site]) -> Site | None:
    """The site that also serves requests by the server's address: the only one with routes."""
    with_routes = [site for site in sites if site.routes]
    return with_routes[0] if len(with_routes) == 1 else None


def _http(sites: Sequence[Site], servers: dict[str, Json]) -> Json:
    # With no connection to lose, the first deploy on a server need not wait for the empty configuration to end.
    return graceful_app(servers) if any(site.routes for site in sites) else {"servers": servers}


def _server(port: int, routes: list[Json]) -> Json:
    return {
        "listen": [f":{port}"],
        "protocols": ["h1", "h2", "h3"] if port == HTTPS else ["h1"],
        # FTL configures certificates and redirects to HTTPS explicitly.
        "automatic_https": {"disable": True},
        "routes": routes,
        "errors": {"routes": [{"handle": [_unavailable()]}]},
    }


# --- public -------------------------------------------------------------------------------------


def _public_http(sites: Sequence[Site]) -> Iterator[Json]:
    yield from _redirects(sites)
    yield from (host.redirect for host in policy.secured_hosts(sites).values() if host.redirect)
    yield from _routes(sites)
    only = only_site(sites)
    if only is not None:
        yield from _by_address(only)
    yield _not_found()


def _redirects(sites: Sequence[Site], *, only: Container[str] | None = None) -> Iterator[Json]:
    """Redirects from host to host. They keep the visitor's scheme, even behind a load balancer that ends TLS."""
    for site in sites:
        for redirect in site.redirects:
            if only is None or redirect.host in only:
                location = f"//{redirect.to}{{http.request.uri}}"
                yield _route({"host": [redirect.host]}, policy.redirect_to(location))


def _routes(sites: Sequence[Site], *, only: Container[str] | None = None) -> Iterator[Json]:
    """Public routes (`only` of those hosts): named hosts before "any host", longer paths first."""
    pairs = [(site, route) for site in sites for route in site.routes if only is None or route.host in only]
    pairs.sort(key=lambda pair: (pair[1].host == "", pair[1].host, -len(pair[1].path), pair[1].path))
    for site, route in pairs:
        yield _public_route(site, route, {"host": [route.host]} if route.host else {})


def _by_address(site: Site) -> Iterator[Json]:
    """Routes by which the only site also answers requests by address: those of its first host."""
    host = min(route.host for route in site.routes)
    if not host:
        return  # it answers to any host anyway
    match: Json = {"vars_regexp": {"{http.request.host}": {"pattern": _BY_ADDRESS}}}
    routes = [route for route in site.routes if route.host == host]
    for route in sorted(routes, key=lambda route: (-len(route.path), route.path)):
        yield _public_route(site, route, match)


def _public_route(site: Site, route: SiteRoute, match: Json) -> Json:
    handlers = [_proxy_to_live(site.project, route.service, route.port, trusted=site.trusted)]
    if route.path != "/":
        match = {**match, "path": [route.path, f"{route.path}/*"]}
        if route.strip_prefix:
            handlers.insert(0, {"handler": "rewrite", "strip_path_prefix": route.path})
    return _route(match, *handlers)


# --- internal -----------------------------------------------------------------------------------


def _internal(sites: Sequence[Site], port: int) -> Iterator[Json]:
    for site in sites:
        names = [name for name in site.internal if name.port == port]
        if not names or not site.subnets:
            continue
        inside: Json = {"remote_ip": {"ranges": list(site.subnets)}}
        for name in sorted(names, key=lambda name: name.service):
            yield _route({**inside, "host": [name.service]}, _internal_handler(site, name))
        if len(names) == 1 and port != HTTP:
            # The only service on this port answers whatever the Host header is.
            yield _route(inside, _internal_handler(site, names[0]))


def _internal_handler(site: Site, name: InternalName) -> Json:
    return _proxy_to_live(site.project, name.service, name.port)


# --- handlers -----------------------------------------------------------------------------------


def _route(match: Json, *handlers: Json) -> Json:
    return {"match": [match], "handle": list(handlers), "terminal": True} if match else _always(*handlers)


def _always(*handlers: Json) -> Json:
    return {"handle": list(handlers), "terminal": True}


def _proxy_to_live(project: str, service: str, port: int, *, trusted: Sequence[str] = ()) -> Json:
    """Proxy to the alias in the live file at the time of the request.

    `X-Forwarded-*` headers are kept and extended if the request comes from one of `trusted`, else replaced.
    """
    return {
        **({"trusted_proxies": list(trusted)} if trusted else {}),
        "handler": "reverse_proxy",
        "dynamic_upstreams": {
            "source": "a",
            # The final dot keeps the resolver from trying the machine's search domains.
            "name": f"{{file.{live_file(project, service)}}}.",
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


def _not_found() -> Json:
    return _always(_text("404", "Nothing is served here.\n"))


def _unavailable() -> Json:
    return _text("{http.error.status_code}", "{http.error.status_code} {http.error.status_text}\n")


def _text(status: str, body: str) -> Json:
    return {
        "handler": "static_response",
        "status_code": status,
        "headers": {"Content-Type": ["text/plain; charset=utf-8"]},
        "body": body,
    }
