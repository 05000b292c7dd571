"""Places of values that an option gives, in place of those in ftl.yaml."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from ftl.config.models.server import Server
from ftl.config.yaml.locations import Location, SourceFile

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.config.yaml.locations import KeyPath

SERVER = "--server"


def server_locations(
    locations: Mapping[KeyPath, Location], before: Project, after: Project
) -> dict[KeyPath, Location]:
    """Places of the values of a project whose server `--server` gives.

    That option changes more than the server: a sandbox has its own certificates, and stands in for several servers.

    Args:
        locations: Those of the files.
        before: The project as the files have it.
        after: The same project with the option.
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
