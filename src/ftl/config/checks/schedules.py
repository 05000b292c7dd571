"""Checks of jobs and backups, which run on a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.suggestions import closest_match

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
