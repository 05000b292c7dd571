"""`ftl backup`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import put, writing
from ftl.cli.project import load_project
from ftl.cli.run import pass_options, run

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.config import Dependency
    from ftl.events import Emit
    from ftl.operations.databases.backup import Backup


@click.command()
@click.argument("name", metavar="DEPENDENCY")
@click.argument("path", metavar="[FILE]", required=False)
@pass_options
def command(options: Options, name: str, path: str | None) -> None:
    """Back up a database into a file on this machine.

    A consistent dump by the database's own tool (pg_dump -Fc, mariadb-dump, mysqldump, mongodump, redis-cli --rdb),
    streamed through SSH while the database goes on. FILE gets its name only when the dump is whole; without FILE, or
    with a folder, it is called after the dependency and the time. `-` is stdout. `ftl restore` brings a backup back.
    """
    project, _, address = load_project(options)
    _known(project.dependencies, name)

    async def work(emit: Emit) -> Backup:
        from ftl.host.session import open_session
        from ftl.operations.databases.backup import back_up

        async with open_session(address.machine(project=project.name)) as session:
            return await back_up(session, project, name, path, emit)

    if path == "-":
        from dataclasses import replace

        with writing():
            run(replace(options, json=False), "backup", work, lambda _: {})
        return
    result = run(options, "backup", work, _fields)
    if not options.json:
        from ftl.figures import duration, size

        put(f"{result.file}: {size(result.bytes)} of {name}, whole ({duration(result.seconds)})")


def _known(dependencies: tuple[Dependency, ...], name: str) -> None:
    from ftl.suggestions import select_names

    select_names([name], [one.name for one in dependencies], kind="dependency")


def _fields(result: Backup) -> dict[str, object]:
    return {
        "file": result.file,
        "bytes": result.bytes,
        "seconds": round(result.seconds, 3),
        "verified": result.verified,
    }
