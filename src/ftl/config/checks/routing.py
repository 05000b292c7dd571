"""Routes, ports of the server, the proxy and redirects: no two claim the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.values.bindings import Forward, parse_forward

if TYPE_CHECKING:
    from ftl.config.checks.context import Checks
    from ftl.config.yaml.locations import KeyPath


def routes(checks: Checks) -> None:
    """No two routes match the same requests, and each has a host."""
    taken: dict[tuple[str, str], str] = {}
    domain = checks.project.project.domain
    domain_missing = domain is None and checks.is_missing("project", "domain")
    for index, service in enumerate(checks.project.services):
        for number, route in enumerate(service.routes):
            path: KeyPath = ("services", index, "routes", number)
            host = route.host or domain
            if host is None:
                if domain_missing and not checks.is_given(*path, "host"):
                    domain_missing = False
                    message = f"`domain` of project is missing: the route {route.path} has no host"
                    checks.report(("project",), message, "write `domain` below `project`")
                continue
            prefix = route.path.rstrip("/") or "/"
            if (host, prefix) in taken:
                message = f"the route {prefix} of {host} is taken by the service {taken[host, prefix]}"
                checks.report((*path, "path"), message, "a path of a host belongs to one service")
            else:
                taken[host, prefix] = service.name or "above"


_PROXY_PORTS = {(80, "tcp"), (443, "tcp"), (443, "udp")}


def forwards(checks: Checks) -> None:
    """No two containers, nor a container and the proxy, listen on one port of the server."""
    taken: list[tuple[Forward, str]] = []
    for index, service in enumerate(checks.project.services):
        if service.forwards and service.replicas > 1:
            message = f"{service.replicas} replicas cannot share the server's ports in forwards"
            checks.report(("services", index, "replicas"), message, "remove replicas or forwards")
        for number, text in enumerate(service.forwards):
            forward, location = parse_forward(text), checks.location("services", index, "forwards", number)
            other = next((name for earlier, name in taken if forward.collides(earlier)), None)
            if (forward.host_port, forward.protocol) in _PROXY_PORTS:
                message = f"forwards: port {forward.host_port} of the server belongs to the proxy"
                checks.report(location, message, "use routes, or another port of the server")
            elif other is not None:
                message = f"forwards: port {forward.host_port} of the server is taken by {other}"
                checks.report(location, message, "give one of them another port")
            taken.append((forward, f"the service {service.name}"))


def server(checks: Checks) -> None:
    """A server to deploy to is known."""
    if checks.is_given("servers"):
        return
    host_missing = not checks.is_given("server") or checks.is_missing("server", "host")
    if not checks.project.server.host and host_missing and checks.is_missing("project", "domain"):
        location = checks.location("server") if checks.is_given("server") else checks.location("project")
        checks.report(location, "`host` of server is missing", "write `host` below `server`, or a domain")


def proxy(checks: Checks) -> None:
    """A certificate comes with its key, and a root certificate with its authority."""
    for name, partner, article in (
        ("certificate", "key", "a"),
        ("key", "certificate", "a"),
        ("acme_ca_root", "acme_ca", "an"),
    ):
        if getattr(checks.project.proxy, name) is not None and checks.is_missing("proxy", partner):
            message = f"proxy has {article} {name} but no {partner}"
            checks.report(("proxy", name), message, f"write `{partner}` too")


def redirects(checks: Checks) -> None:
    """A redirect leads from a host without routes to a host with routes."""
    domain = checks.project.project.domain
    served = {route.host or domain for service in checks.project.services for route in service.routes}
    taken: set[str] = set()
    for index, redirect in enumerate(checks.project.proxy.redirects):
        path: KeyPath = ("proxy", "redirects", index)
        if redirect.host in served:
            message = f"redirects: {redirect.host} is the host of a route"
            checks.report((*path, "host"), message, "a host is either served or redirected")
        if redirect.host in taken:
            checks.report((*path, "host"), f"redirects: {redirect.host} is given twice", "keep one")
        taken.add(redirect.host)
        if redirect.to and redirect.to not in served:
            hosts = ", ".join(sorted(filter(None, served))) or "none"
            message = f"redirects: no route serves {redirect.to}"
            checks.report((*path, "to"), message, f"the hosts of the routes: {hosts}")
