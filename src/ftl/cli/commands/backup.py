"""`ftl backup`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ftl.cli.expected import load_expected
from ftl.cli.output import put, put_table, writing
from ftl.cli.project import load_target, project_option
from ftl.cli.running.run import pass_options, run
from ftl.common.next_step import ftl
from ftl.errors import UsageError
from ftl.events import Note

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.cli.project import DeployedProject
    from ftl.events import Emit
    from ftl.host.backup_folders import StoredBackup
    from ftl.operations.databases.backup import BackupResult


@click.command()
@click.argument("name", metavar="[DEPENDENCY]", required=False)
@click.argument("path", metavar="[FILE]", required=False)
@click.option(
    "--database", metavar="NAME", help="Only this one of its databases (PostgreSQL, MariaDB, MySQL)."
)
@click.option("--list", "lists", is_flag=True, help="List the scheduled backups on the server, newest first.")
@project_option
@pass_options
def command(
    options: Options,
    name: str | None,
    path: str | None,
    database: str | None,
    lists: bool,
    project: str | None,
) -> None:
    """Back up a database into a file on this machine.

    A dump by the database's own tool (pg_dump -Fc, mariadb-dump, mysqldump, mongodump, redis-cli --rdb), streamed
    through SSH while the database keeps running. It has the data of one moment; that of MongoDB does not: mongodump
    reads one collection after the other, and of what is written meanwhile a part may be in it. FILE gets its name only
    when the dump is complete; without FILE, or with a folder, it is named after the dependency and the time, and other
    databases that the dependency has get files of their own. Into FILE, or `-` for stdout, goes the one that its env
    names, or --database. `ftl restore` restores it. The `backups` of ftl.yaml are made on the server, by its own
    schedule; --list shows them.
    """
    target = load_target(options, project)
    if lists:
        _list(options, target, name)
        return
    if name is None:
        raise UsageError("name the dependency to back up", hint=_choices(options, target))

    async def work(emit: Emit) -> BackupResult:
        from ftl.operations.databases.backup import back_up
        from ftl.operations.views.logs.masking import mask_secrets_of_servers

        observer = target.address.observer
        async with observer.connect(target.address.machines(project=target.project), emit) as fleet:
            deployed = target.bare_project
            await mask_secrets_of_servers(fleet, deployed, lambda text: emit(Note(text, "warning")))
            return await back_up(fleet, deployed, name, path, observer.observe, emit, database=database or "")

    if path == "-":
        from dataclasses import replace

        with writing():
            run(replace(options, json=False), "backup", work, lambda _: {})
        return
    result = run(options, "backup", work, lambda made: {**asdict(made), "seconds": round(made.seconds, 3)})
    if not options.json:
        from ftl.common.figures import duration, size

        put(f"backed up {name} to {result.file} ({size(result.bytes)}, complete, {duration(result.seconds)})")
        for other in result.others:
            put(f"backed up {name} ({other.database}) to {other.file} ({size(other.bytes)}, complete)")


def _choices(options: Options, target: DeployedProject) -> str:
    """The hint with the dependencies that can be backed up, as far as ftl.yaml says."""
    from ftl.config.read.parts import IMAGES
    from ftl.operations.databases.dumps import may_be_dumped

    listed = f"{ftl('backup --list')} lists scheduled backups"
    project = load_expected(options, target, IMAGES).project
    if project is None:
        return listed
    names = [dependency.name for dependency in project.dependencies if may_be_dumped(dependency.image)]
    first = ", ".join(ftl(f"backup {name}") for name in names) or f"{project.name} has no database"
    return f"{first}; {listed}"


def _list(options: Options, target: DeployedProject, name: str | None) -> None:
    from ftl.config.read.parts import UNITS

    project = load_expected(options, target, UNITS).project or target.bare_project

    async def work(emit: Emit) -> tuple[StoredBackup, ...]:
        from ftl.host.session import open_session
        from ftl.operations.databases.stored import note_smaller, stored_backups

        async with open_session(target.address.machine(project=target.project)) as session:
            backups = await stored_backups(session, project, name)
        note_smaller(backups, emit)
        return backups

    backups = run(
        options, "backup", work, lambda backups: {"backups": [asdict(backup) for backup in backups]}
    )
    if options.json:
        return
    from ftl.common.figures import size

    if not backups:
        of = "" if name is None else f" of {name}"
        put(f"the server has no scheduled backups{of}; `backups` in ftl.yaml schedules them")
        return
    put_table(
        ("DEPENDENCY", "BACKUP", "TIME", "SIZE"),
        [(backup.dependency, backup.file, backup.time, size(backup.bytes)) for backup in backups],
    )
