"""`ftl releases`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import put, put_table
from ftl.cli.project import load_target, project_option
from ftl.cli.running.command_line import given_command, wait_lock_option
from ftl.cli.running.run import pass_options, run
from ftl.common.next_step import ftl
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.cli.options import Options
    from ftl.cli.project import DeployedProject
    from ftl.deploy.command_line import GivenCommand
    from ftl.events import Emit
    from ftl.operations.views.releases import ReleaseRow

HEADER = ("RELEASE", "OUTCOME", "WHEN", "BY", "COMMIT", "WHAT")
OPTIONAL = ("BY", "COMMIT")


@click.command()
@click.option(
    "-n", "number", type=click.IntRange(min=1), default=20, metavar="N", help="List the last N. [default: 20]"
)
@click.option(
    "--mark-bad", metavar="RELEASE", help="Mark a release as bad: rollback then skips it. Needs -m."
)
@click.option("--unmark-bad", metavar="RELEASE", help="Remove the bad mark of a release.")
@click.option("-m", "--message", "reason", metavar="REASON", default="", help="Why it is bad.")
@wait_lock_option
@project_option
@pass_options
def command(
    options: Options,
    number: int,
    mark_bad: str | None,
    unmark_bad: str | None,
    reason: str,
    project: str | None,
) -> None:
    """List the releases of the project, newest first.

    Each with its outcome: live (it serves now), replaced (it was live), failed or interrupted (it never was live).
    `ftl rollback RELEASE` goes back to one that is still kept.
    """
    from ftl.cli.completion.seen import remember

    if (mark_bad is not None) != bool(reason):
        raise UsageError(
            "--mark-bad and -m go together", hint=ftl("releases --mark-bad r12 -m 'loses sessions'")
        )
    if mark_bad is not None and unmark_bad is not None:
        raise UsageError("--mark-bad and --unmark-bad exclude each other")
    marked = mark_bad or unmark_bad
    target = load_target(options, project, changes=marked is not None)
    given = given_command()

    async def work(emit: Emit) -> tuple[tuple[ReleaseRow, ...], float]:
        from ftl.operations.views.releases import releases

        if marked is not None:
            await _mark(target, given, marked, reason, emit)
        address = target.address
        machines = address.readable(project=target.project)
        servers = () if address.narrowed else address.servers
        return await releases(target.project, machines, servers, emit=emit, observer=address.observer)

    found, now = run(
        options, "releases", work, lambda seen: {"releases": list(map(_entry, seen[0][:number]))}
    )
    remember(target.project, target.address.server.host, [release.record.release for release in found])
    if not options.json:
        _print(target, found[:number], now)


async def _mark(
    target: DeployedProject, command: GivenCommand, release: str, reason: str, emit: Emit
) -> None:
    from ftl.operations.changes.mark_bad import mark_bad

    machines = target.address.machines(project=target.project)
    await mark_bad(target.request(command), machines, release, reason, emit=emit)


def _entry(release: ReleaseRow) -> dict[str, object]:
    from ftl.common.figures import utc

    record = release.record
    services = {
        name: {
            "release": service.release,
            "image": service.image,
            "digest": service.pulled.partition("@")[2] or service.image_id,
        }
        for name, service in record.services.items()
    }
    return {
        "release": record.release,
        "outcome": release.outcome,
        "live": release.live,
        "started": utc(record.started),
        "switched": utc(record.switched) if record.switched else None,
        "seconds": round(record.seconds, 3),
        "by": record.by,
        "commit": (record.commit or "").removesuffix("-dirty") or None,
        "subject": record.subject,
        "dirty": record.dirty,
        "environment": record.environment or None,
        "rollback_of": record.rollback_of,
        "services": services,
        "bytes_sent": record.bytes_sent,
        "kept": release.kept,
        "bad": record.bad or None,
        "error": record.error,
    }


def _print(target: DeployedProject, releases: Sequence[ReleaseRow], now: float) -> None:
    from ftl.common.figures import ago

    if not releases:
        put(f"{target.project} has no releases yet; run {ftl('deploy')}")
        return
    rows = [
        (
            release.record.release,
            release.outcome,
            ago(now - release.record.started) if release.record.started else "-",
            release.record.by or "-",
            (release.record.commit or "-")[:7] + ("+" if release.record.dirty else ""),
            _what(release, target.environment),
        )
        for release in releases
    ]
    put_table(HEADER, rows, optional=OPTIONAL, sentences=("WHAT",))


def _what(release: ReleaseRow, environment: str) -> str:
    """Sum up a release, with its environment where it is another than that of the command."""
    record = release.record
    known = record.started and record.environment != environment
    parts = [
        f"rollback to {record.rollback_of}" if record.rollback_of else "",
        f"environment: {record.environment or 'none'}" if known else "",
        f"bad: {record.bad}" if record.bad else "",
        record.error or record.subject,
        "" if release.kept or record.outcome != "live" else "not kept",
    ]
    return "; ".join(filter(None, parts)) or "-"
