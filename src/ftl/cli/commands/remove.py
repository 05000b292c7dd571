"""`ftl remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put
from ftl.cli.running.operation import OperationCall, changes_project
from ftl.common.next_step import ftl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.operation import OperationRequest
    from ftl.events import Emit
    from ftl.host.backup_folders import StoredFolder
    from ftl.operations.changes.remove import ProjectObjects, RemoveResult
    from ftl.ssh.machine import Machine


@click.command()
@click.option("--volumes", is_flag=True, help="Also remove the named volumes and their data.")
@click.option("--backups", is_flag=True, help="Also remove the scheduled backups on the server.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@changes_project
def command(call: OperationCall, volumes: bool, backups: bool, yes: bool) -> None:
    """Remove the project from its server.

    Its routes, containers, networks and images go, and the env in its release records. Volumes with the data of
    databases stay, unless --volumes is given, and so do scheduled backups without --backups: with either, the
    project's name has to be typed. The proxy and other projects are not touched.
    """

    async def confirm(project_objects: ProjectObjects) -> None:
        if not yes:
            await _confirm(call.target.project, project_objects)

    async def work(request: OperationRequest, machines: Sequence[Machine], emit: Emit) -> RemoveResult:
        from ftl.operations.changes.remove import remove

        return await remove(request, machines, volumes=volumes, backups=backups, emit=emit, confirm=confirm)

    def show(result: RemoveResult) -> None:
        if result.plan.empty:
            put(
                f"{result.plan.server} has nothing of {call.target.project} any more: it was removed meanwhile"
            )
            return
        put(f"{call.target.project} was removed from {result.plan.server}")
        if result.project_objects.kept_volumes:
            put(f"its volumes stay: {', '.join(result.project_objects.kept_volumes)}")
        for stored in result.project_objects.kept_backups:
            put(f"its scheduled backups stay: {_described(stored)}; {ftl('remove --backups')} removes them")

    call.run("remove", work, lambda result: {**removal_fields(result), "dry_run": call.dry_run}, show)


async def _confirm(project: str, project_objects: ProjectObjects) -> None:
    """Ask for the project's name where data would be lost, else for a yes.

    Raises:
        UsageError: There is no terminal to ask on.
        Interrupted: The answer is another one.
    """
    from ftl.ui.prompt import confirm

    names = [*project_objects.containers, *(f"{name} with its data" for name in project_objects.volumes)]
    names += [f"the scheduled backups in {_described(stored)}" for stored in project_objects.backups]
    rest = "images and the env in release records"
    what = f"this removes {', '.join(names) or ', '.join(project_objects.networks) or rest}"
    if project_objects.volumes or project_objects.backups:
        await confirm(what, word=project, refused="nothing was removed")
    else:
        await confirm(f"{what}, all of {project}", refused="nothing was removed")


def _described(stored: StoredFolder) -> str:
    from ftl.common.figures import count, size

    size_text = size(sum(one.bytes for one in stored.backups))
    return f"{stored.folder.path} ({count(len(stored.backups), 'file')}, {size_text})"


def _folder_fields(stored: StoredFolder) -> Fields:
    return {
        "path": stored.folder.path,
        "files": len(stored.backups),
        "bytes": sum(one.bytes for one in stored.backups),
    }


def removal_fields(result: RemoveResult) -> Fields:
    """The fields of a removal for --json."""
    project_objects = result.project_objects
    return {
        "server": result.plan.server,
        "removed": {
            "containers": list(project_objects.containers),
            "networks": list(project_objects.networks),
            "volumes": list(project_objects.volumes),
            "routes": list(project_objects.routes),
            "backups": [_folder_fields(stored) for stored in project_objects.backups],
        },
        "kept": {
            "volumes": list(project_objects.kept_volumes),
            "backups": [_folder_fields(stored) for stored in project_objects.kept_backups],
        },
    }
