"""Servers of a cluster, and the places of services and dependencies on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.suggestions import closest_match
from ftl.config.checks.context import label
from ftl.config.models.server import WEB

if TYPE_CHECKING:
    from ftl.config.checks.context import Checks
    from ftl.config.models.project import Service
    from ftl.config.yaml.locations import KeyPath


def servers(checks: Checks) -> None:
    """`servers` is in place of `server`, names each server once, and has a proxy for the routes."""
    given = checks.project.servers
    if checks.is_given("servers") and not given and not checks.reader.locations.keys() & {("servers", 0)}:
        checks.report(("servers",), "servers is empty", "it needs at least one item")
    hosts: dict[str, KeyPath] = {}
    addresses: dict[str, str] = {}
    for index, server in enumerate(given):
        path: KeyPath = ("servers", index, "host")
        location = checks.location(*path)
        if server.is_local:
            hint = "`server: local` deploys to this machine alone"
            checks.report(location, "servers: `local` cannot be one of several servers", hint)
        elif server.host and server.host.lower() in hosts:
            first = checks.location(*hosts[server.host.lower()]).seen_from(location)
            checks.report(
                location, f"servers: {server.host} is given twice; first at {first}", "keep one of the two"
            )
        elif server.host:
            hosts[server.host.lower()] = path
        if server.private_address and server.private_address in addresses:
            where = checks.location("servers", index, "private_address")
            message = f"private_address: {server.private_address} is the address of {addresses[server.private_address]}"
            checks.report(where, message, "each server needs a different one")
        elif server.private_address:
            addresses[server.private_address] = server.host
    _role_names(checks)
    if (
        given
        and any(service.routes for service in checks.project.services)
        and not checks.project.servers_on((WEB,))
    ):
        message = "servers: no server has the role web, so nothing would answer the requests of the routes"
        checks.report(("servers",), message, "add `web` to the `roles` of a server")


def _role_names(checks: Checks) -> None:
    """No role has the name of a host: `on` could mean either."""
    hosts = {server.host for server in checks.project.servers}
    for index, server in enumerate(checks.project.servers):
        for number, role in enumerate(server.roles):
            if role in hosts:
                location = checks.location("servers", index, "roles", number)
                checks.report(
                    location, f"roles: {role} is the host of a server", "give the role another name"
                )


def services(checks: Checks) -> None:
    """Each service is on servers that exist, and with its named volumes on one server."""
    project = checks.project
    users: dict[str, tuple[str, str]] = {}
    for dependency in project.dependencies:
        users |= {
            mount.source: (dependency.name, project.server_for(dependency))
            for mount in dependency.mounts
            if mount.is_named
        }
    for index, service in enumerate(project.services):
        known = [
            _is_known(checks, place, ("services", index, "on", number))
            for number, place in enumerate(service.on)
        ]
        if project.servers and all(known):
            _volumes(checks, service, index, users)


def _volumes(checks: Checks, service: Service, index: int, users: dict[str, tuple[str, str]]) -> None:
    allowed = tuple(filter(None, checks.project.servers_for(service)))
    named = [mount.source for mount in service.mounts if mount.is_named]
    if named and len(allowed) > 1:
        message = (
            f"on: the volume {named[0]} of {label(service)} is on one server, not on {', '.join(allowed)}"
        )
        checks.report(("services", index, "on"), message, "write the host of one server")
        return
    for volume in named:
        user, place = users.setdefault(volume, (service.name, allowed[0] if allowed else ""))
        if allowed and place != allowed[0]:
            message = (
                f"on: the volume {volume} is on {place}, with {user}, and {label(service)} on {allowed[0]}"
            )
            where = checks.location("services", index, "on")
            checks.report(where, message, f"write `on: {place}`, or use another volume")


def dependencies(checks: Checks) -> None:
    """Each dependency is on one server, where its data is."""
    for index, dependency in enumerate(checks.project.dependencies):
        path: KeyPath = ("dependencies", index, "on")
        if not dependency.on or not _is_known(checks, dependency.on, path):
            continue
        allowed = tuple(filter(None, checks.project.servers_on((dependency.on,))))
        if len(allowed) > 1:
            message = (
                f"on: `{dependency.on}` is several servers ({', '.join(allowed)}), "
                f"and a dependency such as {dependency.name} is on one, with its data"
            )
            checks.report(path, message, "write the host of one server")


def _is_known(checks: Checks, place: str, path: KeyPath) -> bool:
    """Report an `on` that names no server."""
    given = checks.project.servers
    if not checks.is_given("servers"):
        hint = "leave it out: there is one server; or list several under `servers` in place of `server`"
        checks.report(path, f"on: `{place}` needs `servers`, and the file has none", hint)
        return False
    if not given or checks.project.servers_on((place,)):
        return bool(given)
    roles = dict.fromkeys(role for server in given for role in server.roles)
    hosts = [server.host for server in given if server.host]
    match = closest_match(place, (*roles, *hosts))
    known = f"the roles are {', '.join(roles) or 'none'}; the servers are {', '.join(hosts)}"
    hint = f"did you mean `{match}`? {known}" if match else known
    message = (
        f"on: `{place}` is not one of the servers"
        if "." in place or ":" in place
        else f"on: no server has the role `{place}`, and none is named so"
    )
    checks.report(path, message, hint)
    return False
