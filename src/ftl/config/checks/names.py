"""Names of services and dependencies: unique, and known in `depends_on`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.checks.context import Checks
    from ftl.config.models.project import Dependency, Service
    from ftl.config.yaml.locations import KeyPath


def names(checks: Checks) -> None:
    """No two services or dependencies have one name: containers find each other by it."""
    taken: dict[str, KeyPath] = {}
    lists: dict[str, tuple[Service | Dependency, ...]] = {
        "services": checks.project.services,
        "dependencies": checks.project.dependencies,
    }
    for key, items in lists.items():
        for index, item in enumerate(items):
            path: KeyPath = (key, index, "name")
            if item.name and item.name in taken:
                first = taken[item.name]
                kind = "service" if first[0] == "services" else "dependency"
                location = checks.location(*path)
                where = checks.location(*first).seen_from(location)
                message = f"the name {item.name} is taken by the {kind} at {where}"
                checks.report(location, message, "give one of them another name")
            elif item.name:
                taken[item.name] = path


def start_order(checks: Checks) -> None:
    """`depends_on` names other services, and none depends on itself in the end."""
    services = {service.name: service for service in checks.project.services}
    dependencies = {dependency.name for dependency in checks.project.dependencies}
    circles: set[frozenset[str]] = set()
    for index, service in enumerate(checks.project.services):
        for number, name in enumerate(service.depends_on):
            location = checks.location("services", index, "depends_on", number)
            if name in dependencies:
                message = f"depends_on: {name} is one of the dependencies"
                checks.report(
                    location, message, "leave it out: dependencies are healthy before services start"
                )
            elif name not in services:
                checks.report(
                    location,
                    f"depends_on: there is no service {name}",
                    checks.removal(name, f"`depends_on` of {service.name}", location)
                    or f"the services: {', '.join(sorted(filter(None, services)))}",
                )
            elif (circle := _way_back(services, service.name, name)) and frozenset(circle) not in circles:
                circles.add(frozenset(circle))
                message = f"depends_on: {' -> '.join(circle)} is a cycle"
                checks.report(location, message, "leave one of them out")


def _way_back(services: Mapping[str, Service], start: str, first: str) -> list[str]:
    """Path from a service over one that it depends on back to itself; empty where there is none."""
    ways = [[start, first]]
    seen = {first}
    while ways:
        way = ways.pop(0)
        if way[-1] == start:
            return way
        service = services.get(way[-1])
        for name in service.depends_on if service is not None else ():
            if name == start or name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []
