"""Checks of jobs and backups, which run on a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.suggestions import closest_match
from ftl.databases import official

if TYPE_CHECKING:
    from ftl.config.checks.context import Checks
    from ftl.config.yaml.locations import KeyPath


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
