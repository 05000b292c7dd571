"""Names: unique, and known where services, jobs and backups use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.suggestions import closest_match
from ftl.databases import official

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


def jobs(checks: Checks) -> None:
    """No two jobs have one name, and each belongs to a service."""
    services = [service.name for service in checks.project.services]
    taken: dict[str, KeyPath] = {}
    for index, job in enumerate(checks.project.jobs):
        path: KeyPath = ("jobs", index, "name")
        location = checks.location(*path)
        if job.name and job.name in taken:
            first = checks.location(*taken[job.name]).seen_from(location)
            message = f"the name {job.name} is taken by the job at {first}"
            checks.report(location, message, "give one of them another name")
        taken.setdefault(job.name, path)
        # Without any, `services` itself is wrong.
        if job.service and services and job.service not in services:
            match = closest_match(job.service, services)
            location = checks.location("jobs", index, "service")
            hint = checks.removal(job.service, f"the job {job.name}", location)
            known = f"did you mean {match}?" if match else f"the services are {', '.join(services)}"
            checks.report(location, f"service: there is no service {job.service}", hint or known)


def backups(checks: Checks) -> None:
    """Each is of a dependency, and no dependency has two."""
    dependencies = [dependency.name for dependency in checks.project.dependencies]
    taken: set[str] = set()
    for index, backup in enumerate(checks.project.backups):
        location = checks.location("backups", index, "dependency")
        if backup.dependency and backup.dependency not in dependencies:
            match = closest_match(backup.dependency, dependencies)
            hint = checks.removal(backup.dependency, "`backups`", location)
            known = f"did you mean {match}?" if match else "list it in `dependencies`"
            checks.report(location, f"dependency: there is no dependency {backup.dependency}", hint or known)
        elif backup.dependency in taken:
            checks.report(location, f"{backup.dependency} is backed up twice", "keep one of the two")
        taken.add(backup.dependency)
        _without(checks, index)


def _without(checks: Checks, index: int) -> None:
    """Databases that a backup leaves out: of an image of several, and not the one that its env names."""
    backup = checks.project.backups[index]
    dependency = next((one for one in checks.project.dependencies if one.name == backup.dependency), None)
    database = official(dependency.image) if dependency is not None else None
    if not backup.without or dependency is None or database is None:
        return
    location = checks.location("backups", index, "without")
    if not database.has_several:
        message = f"without: a backup of {database.title} is one file, with all that it has"
        checks.report(location, message, "leave `without` out")
    elif (named := database.named_by(dependency.env)) in backup.without:
        message = f"without: {named} is the database that the env of {backup.dependency} names"
        checks.report(location, message, "it is always backed up: remove the whole backup, or name others")
