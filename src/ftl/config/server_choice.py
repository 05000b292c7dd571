"""The server of a command: that of ftl.yaml, one of its `servers`, or a sandbox."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.config.models.server import Server
from ftl.config.yaml.locations import Location, SourceFile
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.config.models.project import Project
    from ftl.config.models.server import ClusterServer
    from ftl.config.yaml.locations import KeyPath


def with_server(project: Project, server: Server | None) -> Project:
    """The project with this server, if it has no `servers`: of those the first is meant."""
    if project.servers:
        return replace(project, server=project.servers[0].alone)
    if server is None and not project.server.host and project.project.domain:
        server = replace(project.server, host=project.project.domain)
    if server is None:
        return project
    return _adapted(replace(project, server=server))


def narrowed(
    project: Project, server: Server | None, sandbox_servers: Sequence[ClusterServer] = ()
) -> Project:
    """The project with one of its `servers` as its server, or with a sandbox for all of them.

    Of a sandbox `server` is the first one, and `sandbox_servers` are all where it has several.

    Raises:
        UsageError: It is none of them, or the sandbox has too few servers.
    """
    if server is None or not project.servers:
        return project
    if sandbox_servers:
        return _on_sandbox_servers(project, sandbox_servers)
    if not server.has_visitors:
        return with_server(replace(project, servers=()), server)
    for each in project.servers:
        if each.host.lower() == server.host.lower():
            chosen = replace(each, user=server.user or each.user, port=server.port or each.port)
            return replace(project, server=chosen.alone)
    hosts = ", ".join(each.host for each in project.servers)
    raise UsageError(
        f"{server.host} is not one of the servers of {project.name}",
        hint=f"`--server` takes one of those in the file: {hosts}",
    )


def _on_sandbox_servers(project: Project, sandbox_servers: Sequence[ClusterServer]) -> Project:
    """The project with a sandbox's servers under the names of the file's, so that `on` means the same."""
    if len(project.servers) > len(sandbox_servers):
        raise UsageError(
            f"{project.name} has {len(project.servers)} servers, and the sandbox {len(sandbox_servers)}",
            hint=f"{ftl('sandbox down')}, then {ftl(f'sandbox up --servers {len(project.servers)}')}",
        )
    servers = tuple(
        replace(sandbox, host=own.host, roles=own.roles)
        for own, sandbox in zip(project.servers, sandbox_servers, strict=False)
    )
    return _adapted(replace(project, server=servers[0].alone, servers=servers))


def _adapted(project: Project) -> Project:
    """The project as its server gets it: where no visitors come, without messages, and without ACME.

    Certificates are those of the proxy's internal authority then. No authority's challenges reach such a server, not
    even those of a private one (`acme_ca`): they go where the domain points to; and public authorities limit requests.
    With the user's own certificate, too, HTTP answers and does not redirect: a sandbox has HTTPS on another port, and
    the redirect would lead to the real server.
    """
    if project.server.has_visitors:
        return project
    proxy = project.proxy
    return replace(project, proxy=replace(proxy, tls="internal") if proxy.tls == "auto" else proxy, notify=())


SERVER = "--server"


def server_locations(
    locations: Mapping[KeyPath, Location], before: Project, after: Project
) -> dict[KeyPath, Location]:
    """Places of the values of a project whose server `--server` gives, by those of its files.

    That option changes more than the server: a sandbox has its own certificates, and stands in for several servers.
    """
    missing = object()
    was, now = dict(_values(before.to_dict())), dict(_values(after.to_dict()))
    default = dict(_values(Server(host="").to_dict(), ("server",)))
    replaced = {path for path in now if path[0] == "server" and path[1:]}
    given = {path for path in now if now[path] != (default if path in replaced else was).get(path, missing)}
    gone = (was.keys() - now.keys()) | replaced
    option = Location(SourceFile(SERVER), given_by=SERVER)
    gone |= _sections(gone) - _sections(now.keys() - replaced)
    return {path: location for path, location in locations.items() if path not in gone} | dict.fromkeys(
        given, option
    )


def _sections(paths: Collection[KeyPath]) -> set[KeyPath]:
    """The maps and lists around values."""
    return {path[:length] for path in paths for length in range(1, len(path))}


def _values(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Path and value of everything that is neither a map nor a list."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _values(item, (*path, name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _values(item, (*path, index))
    else:
        yield path, value
