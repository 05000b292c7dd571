"""`ftl restore`."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ftl.cli.output import put
from ftl.cli.project import load_target, project_option
from ftl.cli.running.command_line import given_command, wait_lock_option
from ftl.cli.running.run import pass_options, run
from ftl.errors import UsageError
from ftl.events import Note

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.events import Emit
    from ftl.operations.databases.restore import RestoreResult


@click.command()
@click.argument("name", metavar="DEPENDENCY")
@click.argument("path", metavar="[FILE]", required=False)
@click.option(
    "--from-server",
    metavar="NAME",
    help="A scheduled backup on the server instead of FILE: its name, or `latest`.",
)
@click.option(
    "--database",
    metavar="NAME",
    help="The database of PostgreSQL to restore, if the file's name does not say it.",
)
@click.option("--drill", is_flag=True, help="Restore into a throwaway container, to see whether it works.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@wait_lock_option
@project_option
@pass_options
def command(
    options: Options,
    name: str,
    path: str | None,
    from_server: str | None,
    database: str | None,
    drill: bool,
    yes: bool,
    project: str | None,
) -> None:
    """Restore a database from a backup.

    FILE is one of `ftl backup`, or of the same tool; `-` is stdin. --from-server takes one that the server made by the
    `backups` of ftl.yaml (`ftl backup --list`). It is checked before anything is changed. The previous state is kept:
    PostgreSQL is restored next to its database, which gets another name; other databases are backed up first, and get
    that state back if the restore fails. A backup of one of several databases goes into the one that its name says.
    --drill changes nothing, and says how long a restore takes.
    """
    from ftl.operations.databases.sources import open_dump

    if (path is None) == (from_server is None):
        raise UsageError("give a file, or one of the server's backups with --from-server")
    file = path or from_server or ""
    given = given_command()
    target = load_target(options, project, changes=not drill)
    if path == "-" and not (yes or drill):
        raise UsageError(
            "cannot ask for confirmation: stdin is the backup", hint="`--yes` skips the question"
        )

    async def confirm() -> None:
        if not yes:
            await _confirm(name, file, f"{target.project} on {target.address.server.host}")

    async def work(emit: Emit) -> RestoreResult:
        from ftl.operations.databases.restore import RestoreRequest, restore
        from ftl.operations.views.logs.masking import mask_secrets_of_servers

        deployed = target.bare_project
        observer = target.address.observer
        request = RestoreRequest(
            deployed, name, file, target.root, given, drill, confirm, observer.observe, dump, database or ""
        )
        async with observer.connect(target.address.machines(project=target.project), emit) as fleet:
            await mask_secrets_of_servers(fleet, deployed, lambda text: emit(Note(text, "warning")))
            return await restore(request, fleet, emit)

    with contextlib.nullcontext() if path is None else open_dump(file) as dump:
        result = run(options, "restore", work, lambda result: {**_fields(result), "drill": drill})
    if options.json:
        return
    from ftl.common.figures import duration

    contents = f" ({result.contents})" if result.contents else ""
    done = "can be restored" if drill else "was restored"
    put(f"{name} {done} from {result.file}{contents}, in {duration(result.seconds)}")
    if result.kept:
        put(f"the previous state: {result.kept}")


async def _confirm(name: str, file: str, where: str) -> None:
    """Ask for the dependency's name.

    Raises:
        UsageError: There is no terminal to ask on.
        Interrupted: The answer is another one.
    """
    from ftl.ui.prompt import confirm

    what = f"this replaces the data of {name} of {where} with {file}"
    await confirm(what, word=name, refused="nothing was restored")


def _fields(result: RestoreResult) -> dict[str, object]:
    return {**asdict(result), "seconds": round(result.seconds, 3), "kept": result.kept or None}
