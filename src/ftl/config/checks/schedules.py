"""Checks of jobs and backups, which run on a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.suggestions import closest_match

if TYPE_CHECKING:
    from ftl.config.checks.context import Checks
    from ftl.config.yaml.marks import KeyPath


def jobs(checks: Checks) -> None:
    """No two jobs have one name, and each belongs to a service."""
    services = [service.name for service in checks.project.services]
    taken: dict[str, KeyPath] = {}
    for index, job in enumerate(checks.project.jobs):
        path: KeyPath = ("jobs", index, "name")
        mark = checks.mark(*path)
        if job.name and job.name in taken:
            first = checks.mark(*taken[job.name]).seen_from(mark)
            message = f"the name {job.name} is taken by the job at {first}"
            checks.report(mark, message, "give one of them another name")
        taken.setdefault(job.name, path)
        # Without any, `services` itself is wrong.
        if job.service and services and job.service not in services:
            match = closest_match(job.service, services)
            mark = checks.mark("jobs", index, "service")
            hint = checks.removal(job.service, f"the job {job.name}", mark)
            known = f"did you mean {match}?" if match else f"the services are {', '.join(services)}"
            checks.report(mark, f"service: there is no service {job.service}", hint or known)


def backups(checks: Checks) -> None:
    """Each is of a dependency, and no dependency has two."""
    dependencies = [dependency.name for dependency in checks.project.dependencies]
    taken: set[str] = set()
    for index, backup in enumerate(checks.project.backups):
        mark = checks.mark("backups", index, "dependency")
        if backup.dependency and backup.dependency not in dependencies:
            match = closest_match(backup.dependency, dependencies)
            hint = checks.removal(backup.dependency, "`backups`", mark)
            known = f"did you mean {match}?" if match else "list it in `dependencies`"
            checks.report(mark, f"dependency: there is no dependency {backup.dependency}", hint or known)
        elif backup.dependency in taken:
            checks.report(mark, f"{backup.dependency} is backed up twice", "keep one of the two")
        taken.add(backup.dependency)
