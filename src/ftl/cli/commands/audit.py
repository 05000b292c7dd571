"""`ftl audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put, put_table
from ftl.cli.project import load_target, project_option
from ftl.cli.running.run import pass_options, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.cli.options import Options
    from ftl.events import Emit
    from ftl.releases.audit import AuditEntry


@click.command()
@click.option(
    "-n", "number", type=click.IntRange(min=1), default=50, metavar="N", help="List the last N. [default: 50]"
)
@project_option
@pass_options
def command(options: Options, number: int, project: str | None) -> None:
    """List the changes of the project: who, when, what, and the outcome.

    Newest first: deploys, rollbacks and all other commands that change the project on its server, with the options that
    change something. What runs in its containers is not listed. A command that was killed, or whose machine lost its
    connection, is interrupted.
    """
    target = load_target(options, project)

    async def work(emit: Emit) -> tuple[AuditEntry, ...]:
        from ftl.operations.views.audit import audit

        return await audit(target.project, target.address.readable(project=target.project), emit)

    entries = run(options, "audit", work, lambda entries: _fields(entries[:number]))
    if not options.json:
        _print(target.project, entries[:number])


def _fields(entries: Sequence[AuditEntry]) -> Fields:
    from ftl.common.figures import utc

    return {
        "entries": [
            {
                "time": utc(entry.time),
                "by": entry.by,
                "host": entry.host,
                "command": entry.command,
                "release": entry.release,
                "outcome": entry.outcome,
                "environment": entry.environment or None,
            }
            for entry in entries
        ]
    }


def _print(project: str, entries: Sequence[AuditEntry]) -> None:
    from ftl.common.figures import utc

    if not entries:
        put(f"{project} has no changes yet")
        return
    named = any(entry.environment for entry in entries)
    rows = [
        (
            utc(entry.time),
            *((entry.environment or "-",) if named else ()),
            *(entry.by, entry.command, entry.release, entry.outcome),
        )
        for entry in entries
    ]
    columns = ("TIME", *(("ENVIRONMENT",) if named else ()), "BY", "COMMAND", "RELEASE", "OUTCOME")
    put_table(columns, rows, sentences=("COMMAND",))
