"""`ftl validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.environments import overlap_notes
from ftl.cli.output import Fields, put
from ftl.cli.project import find_project_files, load_project
from ftl.cli.running.run import pass_options, run_sync
from ftl.common.figures import count

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from ftl.cli.options import Options
    from ftl.config.models.project import Project


@click.command()
@pass_options
def command(options: Options) -> None:
    """Check ftl.yaml and the files it refers to.

    Reports all problems at once with their places, and exits 2 if there are any. Needs no server and no
    engine, so it runs anywhere: in an editor, in a commit hook, in CI. The files of secrets that the
    environment uses must be there; none is read, and no command of a secret runs.
    """

    def work() -> Project:
        project, root, _ = load_project(options, fetch=None)
        from ftl.config.cross_checks import check_secret_files

        check_secret_files(project, root)
        if project.proxy.certificate or project.proxy.acme_ca_root:
            from ftl.deploy.plan.sites import read_files

            read_files(project, root)
        _check_notifications(project)
        return project

    def fields(project: Project) -> Fields:
        return {**_fields(project), "notes": list(_notes(options, project))}

    project = run_sync(options, "validate", work, fields)
    if not options.json and not options.quiet:
        services = count(len(project.services), "service")
        number = len(project.dependencies)
        dependencies = f"{number} {'dependency' if number == 1 else 'dependencies'}"
        jobs = f", {count(len(project.jobs), 'job')}" if project.jobs else ""
        put(f"{project.name} is valid: {services}, {dependencies}, {count(_routes(project), 'route')}{jobs}")
        for name, times in _next(project).items():
            put(f"job {name} runs at {', '.join(times)}")
        for note in _notes(options, project):
            put(f"note: {note}")


def _notes(options: Options, project: Project) -> tuple[str, ...]:
    """Notes on settings that are valid, but most likely mistakes."""
    from ftl.config.notes import (
        placeholder_notes,
        secret_argument_notes,
        shadow_notes,
        silent_event_notes,
        unset_secret_notes,
    )

    files = find_project_files(options)
    return (
        *(note for path in files.paths for note in _to_do_notes(path)),
        *placeholder_notes(project),
        *secret_argument_notes(project),
        *silent_event_notes(project),
        *shadow_notes(project, files.variables),
        *unset_secret_notes(project, files.variables),
        *overlap_notes(options, project),
    )


def _to_do_notes(path: Path) -> tuple[str, ...]:
    """A note on the comments of `ftl init --from` that are still there."""
    lines = path.read_text(encoding="utf-8").splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if line.lstrip().startswith("# TO DO ")]
    if not numbers:
        return ()
    are_left = (
        "comment with TO DO is left" if len(numbers) == 1 else "comments with TO DO are left, the first"
    )
    return (f"{len(numbers)} {are_left} at {path.name}:{numbers[0]}: remove it when that is done",)


def _check_notifications(project: Project) -> None:
    """Check the URLs that only apprise can read; a placeholder for a secret says nothing about one.

    Raises:
        UsageError: apprise is not installed.
        ConfigError: It cannot read one.
    """
    from ftl.config.models.notification import NOT_FETCHED

    others = [
        (index, one)
        for index, one in enumerate(project.notify)
        if not one.is_webhook and one.url != NOT_FETCHED
    ]
    if not others:
        return
    from ftl.errors import ConfigError
    from ftl.notifications import services

    services.require(others[0][1].url)
    problems = [
        project.locations.nearest("notify", index, "url").unquoted.problem(
            f"url: apprise does not know this {one.scheme}:// URL",
            "https://appriseit.com/services/ shows the URLs of each service",
        )
        for index, one in others
        if NOT_FETCHED not in one.url and not services.knows(one.url)
    ]
    if problems:
        raise ConfigError(problems)


def _fields(project: Project) -> Fields:
    return {
        "project": project.name,
        "server": project.server.host,
        **({"servers": [server.host for server in project.servers]} if project.is_cluster else {}),
        "services": len(project.services),
        "dependencies": len(project.dependencies),
        "routes": _routes(project),
        "jobs": _next(project),
    }


def _next(project: Project) -> dict[str, list[str]]:
    """Job -> its next three times, in its time zone."""
    if not (project.jobs or project.backups):
        return {}
    from datetime import UTC, datetime
    from itertools import islice
    from zoneinfo import ZoneInfo

    from ftl.config.values.schedule import Schedule

    now = datetime.now(UTC)
    upcoming = {}
    for job in project.jobs:
        zone = UTC if job.timezone == "UTC" else ZoneInfo(job.timezone)
        times = islice(Schedule.parse(job.schedule).after(now, zone), 3)
        upcoming[job.name] = [_text(time.astimezone(zone)) for time in times]
    for backup in project.backups:
        times = islice(Schedule.parse(backup.schedule).after(now, UTC), 3)
        upcoming[backup.job] = [_text(time) for time in times]
    return upcoming


def _text(time: datetime) -> str:
    """A time of a schedule, as `ftl jobs` writes it."""
    return time.isoformat().replace("+00:00", "Z")


def _routes(project: Project) -> int:
    return sum(len(service.routes) for service in project.services)
