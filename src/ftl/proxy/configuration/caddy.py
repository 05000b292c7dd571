"""Rendering of sites to Caddy's configuration: pure, and the same bytes for the same sites.

So an unchanged configuration is never reloaded. There are three kinds of listener. Port 80 serves internal names of
that port to their project, then the public routes. Port 443 serves the public routes of sites with TLS. Every other
port that a service listens on serves internal names only. Public requests arrive on the network `ftl-edge`, so none
comes from a project's subnet.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ftl.proxy import access
from ftl.proxy.configuration.handlers import (
    add_forwarded_prefix,
    distrust_client,
    in_maintenance,
    not_found,
    proxy_to,
    route,
    unavailable,
)
from ftl.proxy.configuration.handover import graceful_app
from ftl.proxy.configuration.paths import path_matcher, strip_path
from ftl.proxy.configuration.views import SiteVariant, read_decisions, views, views_of
from ftl.proxy.names import ADMIN, STORAGE
from ftl.proxy.tls import policy

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from ftl.common.json_fields import JsonObject
    from ftl.proxy.site import InternalName, Site, SiteRoute


HTTP, HTTPS = 80, 443

# A Host header with an address or localhost, as in a first test before any DNS name exists.
_BY_ADDRESS = r"^(localhost|[0-9.]+|\[[0-9a-fA-F:.]+\])(:[0-9]*)?$"


def render(sites: Sequence[Site]) -> bytes:
    """The configuration file's bytes."""
    return json.dumps(caddy_config(sites), indent=1, sort_keys=True).encode() + b"\n"


def caddy_config(sites: Sequence[Site]) -> JsonObject:
    """Caddy's JSON configuration for all projects on a server, in any order of `sites`."""
    ordered = sorted(sites, key=lambda site: site.project)
    h2c = any(site.h2c or (site.transition and site.transition.h2c) for site in ordered)
    routes = [*read_decisions(ordered), *_internal(ordered, HTTP), *_public_http(ordered)]
    # Clients may use HTTP/2 without TLS only where there is a service for it.
    servers = {"http": _server(HTTP, routes, h2c=h2c)}
    secured = policy.secured_hosts(ordered)
    if secured:
        routes = [
            *read_decisions(ordered),
            *_redirects(ordered, only=secured),
            *_routes(ordered, only=secured),
            not_found(),
        ]
        servers["https"] = {**_server(HTTPS, routes), "tls_connection_policies": [{}]}
    ports = {name.port for site in ordered for name in site.all_internal} - {HTTP, HTTPS}
    for port in sorted(ports):
        servers[f"internal-{port}"] = _server(
            port, [*_moved(ordered, port), *_internal(ordered, port), not_found()], h2c=h2c
        )
    return {
        "admin": {"listen": ADMIN, "config": {"persist": False}},
        "logging": {
            "logs": {"default": {"exclude": ["admin.api", access.LOGGER]}, "access": access.access_log()}
        },
        "storage": {"module": "file_system", "root": STORAGE},
        "apps": {"http": _http(ordered, servers), **policy.tls_apps(ordered)},
    }


def only_site(sites: Sequence[Site]) -> Site | None:
    """The site that also serves requests by the server's address: the only one with routes."""
    with_routes = [site for site in sites if site.all_routes]
    return with_routes[0] if len(with_routes) == 1 else None


def _http(sites: Sequence[Site], servers: dict[str, JsonObject]) -> JsonObject:
    # With no connection to lose, the first deploy on a server need not wait for the empty configuration to end.
    return graceful_app(servers) if any(site.all_routes for site in sites) else {"servers": servers}


def _server(port: int, routes: list[JsonObject], *, h2c: bool = False) -> JsonObject:
    return {
        "listen": [f":{port}"],
        "protocols": ["h1", "h2", "h3"] if port == HTTPS else ["h1", "h2c"] if h2c else ["h1"],
        # FTL configures certificates and redirects to HTTPS explicitly.
        "automatic_https": {"disable": True},
        "logs": {},
        "routes": routes,
        "errors": {"routes": [{"handle": [unavailable()]}]},
    }


def _public_http(sites: Sequence[Site]) -> Iterator[JsonObject]:
    yield from _challenges(sites)
    yield from _redirects(sites)
    yield from (host.redirect for host in policy.secured_hosts(sites).values() if host.redirect)
    yield from _routes(sites)
    only = only_site(sites)
    if only is not None:
        for view in views(only):
            yield from _by_address(view)
    yield not_found()


def _challenges(sites: Sequence[Site]) -> Iterator[JsonObject]:
    """Questions of an authority for the proxy of the cluster that gets certificates.

    Caddy answers its own before any route. The authority may ask any server that the name leads to.
    """
    for host in policy.secured_hosts(sites).values():
        if host.site.place is not None and not host.issued_here and not host.certificate:
            match: JsonObject = {"host": [host.host], "path": ["/.well-known/acme-challenge/*"]}
            yield route(match, proxy_to(f"{host.site.place.issuer}.", HTTP))


def _redirects(sites: Sequence[Site], *, only: Container[str] | None = None) -> Iterator[JsonObject]:
    """Redirects from host to host. They keep the visitor's scheme, even behind a load balancer that ends TLS."""
    for view in _views(sites):
        for redirect in view.site.redirects:
            if only is None or redirect.host in only:
                location = f"//{redirect.to}{{http.request.uri}}"
                yield route({**view.match, "host": [redirect.host]}, policy.redirect_to(location))


def _routes(sites: Sequence[Site], *, only: Container[str] | None = None) -> Iterator[JsonObject]:
    """Public routes (`only` of those hosts): named hosts before "any host", longer paths first."""
    pairs = [
        (view, each)
        for view in _views(sites)
        for each in view.site.routes
        if only is None or each.host in only
    ]
    pairs.sort(key=lambda pair: (pair[1].host == "", pair[1].host, -len(pair[1].path), pair[1].path))
    for view, each in pairs:
        yield from _public_route(view, each, {"host": [each.host]} if each.host else {})


def _by_address(view: SiteVariant) -> Iterator[JsonObject]:
    """Routes by which the only site also answers requests by address: those of its first host."""
    host = min((each.host for each in view.site.routes), default="")
    if not host:
        return  # it answers to any host anyway
    match: JsonObject = {"header_regexp": {"Host": {"pattern": _BY_ADDRESS}}}
    routes = [each for each in view.site.routes if each.host == host]
    for each in sorted(routes, key=lambda each: (-len(each.path), each.path)):
        yield from _public_route(view, each, match)


def _public_route(view: SiteVariant, each: SiteRoute, match: JsonObject) -> Iterator[JsonObject]:
    """A public route; in maintenance only for those who are allowed, after the answer for all others."""
    trusted = view.site.trusted
    handlers = [access.log_service(view.site.project, each.service), distrust_client(trusted)]
    if each.path != "/":
        match = {**match, **path_matcher(each.path)}
        if each.strip_prefix:
            handlers += [add_forwarded_prefix(each.path), strip_path(each.path)]
    h2c = each.service in view.site.h2c
    handlers.append(proxy_to(view.upstream(each.service), each.port, trusted=trusted, h2c=h2c))
    match = {**view.match, **match}
    stopped = view.site.maintenance
    if stopped is not None:
        yield route({**match, **_without(match, stopped.allow)}, in_maintenance(stopped.page))
    if stopped is None or stopped.allow:
        yield route(match, *handlers)


def _without(match: JsonObject, allow: Sequence[str]) -> JsonObject:
    """Matcher of addresses outside `allow`, in addition to other exclusions of a matcher."""
    excluded = match.get("not", [])
    assert isinstance(excluded, list)
    return {"not": [*excluded, {"remote_ip": {"ranges": list(allow)}}]} if allow else {}


def _views(sites: Sequence[Site]) -> Iterator[SiteVariant]:
    return (view for site in sites for view in views(site))


def _internal(sites: Sequence[Site], port: int) -> Iterator[JsonObject]:
    for site in sites:
        names = [name for name in site.all_internal if name.port == port]
        if not names or not site.subnets:
            continue
        inside: JsonObject = {"remote_ip": {"ranges": list(site.subnets)}}
        for name in names:
            yield from _internal_routes(site, name, {**inside, "host": [name.service]})
        if len(names) == 1 and port != HTTP:
            # The only service on this port answers whatever the Host header is.
            yield from _internal_routes(site, names[0], inside)


def _internal_routes(site: Site, name: InternalName, match: JsonObject) -> Iterator[JsonObject]:
    """Routes of a name on a port; while a deploy moves the port, both ports lead to the live release's."""
    moving = views_of(site, name)
    for view in moving:
        port = view.port(name.service) if len(moving) > 1 else None
        handler = proxy_to(view.upstream(name.service), port or name.port, h2c=name.service in view.site.h2c)
        yield route({**view.match, **match}, access.log_service(site.project, name.service), handler)


def _moved(sites: Sequence[Site], port: int) -> Iterator[JsonObject]:
    """Decisions that internal names on a port need."""
    moved = [
        site
        for site in sites
        if any(name.port == port and len(views_of(site, name)) > 1 for name in site.all_internal)
    ]
    return read_decisions(moved)
