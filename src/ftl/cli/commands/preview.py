"""`ftl preview up`, `list` and `down`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ftl.cli.commands.deploy import make_release
from ftl.cli.environments import PREVIEW_PREFIX, readable_environments
from ftl.cli.next_step import complete_for
from ftl.cli.options import replace_options, seconds
from ftl.cli.output import Fields, put, put_table
from ftl.cli.project import load_project, load_target, project_option
from ftl.cli.running.command_line import given_command, wait_lock_option
from ftl.cli.running.operation import OperationCall, build_option, summary_option
from ftl.cli.running.run import pass_options, run
from ftl.common.next_step import ftl
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.cli.address import Address
    from ftl.cli.options import Options
    from ftl.deploy.operation import OperationRequest
    from ftl.deploy.result import DeployResult
    from ftl.events import Emit
    from ftl.operations.changes.remove import ProjectObjects, RemoveResult
    from ftl.operations.views.previews import DeployedPreview
    from ftl.ssh.machine import Machine

EXPIRES = "72h"
SHORTEST = 600.0
"""Seconds; the server looks every five minutes."""

OVERDUE_SECONDS = 1800.0
"""Time after its end in which the server should have removed a preview."""

HEADER = ("NAME", "AGE", "ENDS IN", "URL", "BY")

pull_request = click.option(
    "--pr", type=click.IntRange(min=1), metavar="N", help="Instead of NAME: pr-N, for pull request N."
)


@click.group()
def command() -> None:
    """Deploy the working tree next to the project, for a limited time.

    A preview is a separate environment, with ftl.preview.yaml merged over ftl.yaml and .env.preview read over .env. Its
    name is ${FTL_ENV} in these files, for its domain. Other commands take it as `-e preview/NAME`.
    """


@command.command("up")
@click.argument("name", required=False)
@pull_request
@click.option(
    "--expires",
    metavar="DURATION",
    default=EXPIRES,
    show_default=True,
    help="The server removes it and its data after this time, counted from now.",
)
@build_option
@wait_lock_option
@click.option(
    "--end-hold", is_flag=True, help="End the hold that `ftl rollback --hold` has put on deploys of it."
)
@summary_option
@pass_options
def up(
    options: Options,
    name: str | None,
    pr: int | None,
    expires: str,
    build: bool,
    end_hold: bool,
    summary: str | None,
) -> None:
    """Deploy the working tree as a preview, or bring one up to date.

    The server removes it by its own cron when its time is over, even if no client connects again. Each `up` restarts
    that time.
    """
    from pathlib import Path

    from ftl.cli.completion.seen import remember_previews, seen
    from ftl.cli.views.summary import summarised_failure
    from ftl.common.figures import duration, utc
    from ftl.deploy.request import NewRelease, PreviewRequest
    from ftl.operations.changes.preview import note_missing_dns, note_shared_folders, refuse_shared_identity

    path = Path(summary) if summary is not None else None
    lifetime = seconds("--expires", expires, least=SHORTEST)
    with summarised_failure(path):
        chosen = _of_preview(options, _name(name, pr))
        loaded = load_project(chosen, changes=True)
        project = loaded.project
        _refuse_several(loaded.address)
        others = readable_environments(options)
        refuse_shared_identity(project, others)

        async def before(emit: Emit) -> None:
            note_shared_folders(project, others, emit)
            if loaded.address.is_found_by_dns:
                await note_missing_dns(project, emit)

        links = project.urls
        preview = PreviewRequest(
            project.environment, project.preview_of, lifetime, url=links[0] if links else ""
        )

        def fields(result: DeployResult) -> Fields:
            until = utc(result.until) if result.until is not None else None
            return {"preview": {"name": preview.name, "project": project.name, "until": until}}

        make_release(
            chosen,
            loaded,
            NewRelease(end_hold=end_hold, preview=preview),
            command="preview up",
            build=build,
            summary=path,
            before=before,
            more=fields,
        )
    known = seen(f"previews:{preview.of}")
    remember_previews(preview.of, list(dict.fromkeys([preview.name, *known])))
    if not options.json:
        put(
            f"the server removes it in {duration(lifetime)}; {ftl(f'preview down {preview.name}')} does so now"
        )


@command.command("list")
@project_option
@pass_options
def list_previews(options: Options, project: str | None) -> None:
    """List the previews of the project on its server."""
    from ftl.cli.completion.seen import remember_previews

    if not project:
        _refuse_environment(options)
    target = load_target(options, project, previews=True)
    _refuse_several(target.address)
    of = project or target.preview_of

    async def work(emit: Emit) -> tuple[Sequence[DeployedPreview], float]:
        from ftl.host.session import open_session
        from ftl.operations.views.previews import read_previews
        from ftl.releases.pruned import note_pruned

        async with open_session(target.address.machine(project=target.project)) as session:
            found = await read_previews(session.engine, of)
            if not found:
                await note_pruned(session.engine, session.name, emit)
            return [_here(one, target.address) for one in found], session.info.now

    found, now = run(
        options, "preview list", work, lambda seen: {"previews": [preview.fields() for preview in seen[0]]}
    )
    remember_previews(of, [one.preview.name for one in found])
    if options.json:
        return
    if not found:
        put(f"{of} has no previews on {target.address.server.host}; {ftl('preview up NAME')} creates one")
        return
    put_table(HEADER, [preview_row(one, now) for one in found], optional=("BY",))
    for one in found:
        if _is_overdue(one, now):
            name = one.preview.name
            put(f"the server has not removed {name}, as it had to: {ftl(f'preview down {name}')} does")


@command.command("down")
@click.argument("name", required=False)
@pull_request
@click.option("--dry-run", is_flag=True, help="Show what would be done, without doing it.")
@wait_lock_option
@project_option
@pass_options
def down(options: Options, name: str | None, pr: int | None, dry_run: bool, project: str | None) -> None:
    """Remove a preview from the server, with its data.

    It does not ask. A preview that the server has already removed is not an error.
    """
    from ftl.cli.completion.seen import remember_previews, seen

    preview = _name(name, pr)
    deployed = f"{project}-{preview}" if project else None
    target = load_target(options if project else _of_preview(options, preview), deployed, changes=not dry_run)
    _refuse_several(target.address)
    of = project or target.preview_of

    async def confirm(_: ProjectObjects) -> None:
        """Do not ask: a preview has no data that anybody counts on."""

    async def work(request: OperationRequest, machines: Sequence[Machine], emit: Emit) -> RemoveResult:
        from ftl.operations.changes.remove import remove

        return await remove(
            request,
            machines,
            volumes=True,
            backups=True,
            emit=emit,
            confirm=confirm,
            preview=(of, preview),
        )

    def fields(result: RemoveResult) -> Fields:
        from ftl.cli.commands.remove import removal_fields

        return {**removal_fields(result), "dry_run": dry_run}

    def show(result: RemoveResult) -> None:
        if result.plan.empty:
            put(f"{result.plan.server} has no preview {preview}: nothing was removed")
        else:
            put(f"{target.project} was removed from {result.plan.server}")

    OperationCall(options, target, given_command(), dry_run).run("preview down", work, fields, show)
    if not dry_run:
        remember_previews(of, [each for each in seen(f"previews:{of}") if each != preview])


def _name(name: str | None, pr: int | None) -> str:
    """The preview's name."""
    if (name is None) == (pr is None):
        raise UsageError(
            "a preview has one name", hint="give a NAME, or `--pr N` for the preview pr-N of a pull request"
        )
    return name if name is not None else f"pr-{pr}"


def _refuse_several(address: Address) -> None:
    """Refuse a cluster: at a preview's end each server would have to remove its part."""
    if address.servers:
        raise UsageError(
            f"previews need a single server, but here they would have {len(address.servers)}",
            hint="write `server: HOST` into ftl.preview.yaml: previews are deployed there",
        )


def _of_preview(options: Options, name: str) -> Options:
    """The options for a preview.

    Raises:
        UsageError: They name another environment.
    """
    _refuse_environment(options)
    changed = replace_options(replace(options, env=f"{PREVIEW_PREFIX}{name}"))
    complete_for(changed, click.get_current_context().command_path.partition(" ")[2])
    return changed


def _refuse_environment(options: Options) -> None:
    """Refuse the option -e."""
    if options.env is not None:
        raise UsageError(
            "a preview is its own environment: -e cannot be used here",
            hint="leave it out; settings of all previews belong in ftl.preview.yaml",
        )


def _here(one: DeployedPreview, address: Address) -> DeployedPreview:
    """A preview with the URL at which a browser on this machine finds it."""
    return replace(one, preview=replace(one.preview, url=address.url_here(one.preview.url)))


def preview_row(one: DeployedPreview, now: float) -> tuple[str, ...]:
    """Its row of the table, at a Unix time by the server's clock."""
    from ftl.common.figures import age

    preview = one.preview
    left = preview.until - now
    ends = age(left) if left > 0 else "overdue" if _is_overdue(one, now) else "is being removed"
    return preview.name, age(now - preview.since), ends, preview.url or "-", preview.by


def _is_overdue(one: DeployedPreview, now: float) -> bool:
    """Whether the server should have removed a preview: its cron looks every five minutes, and may wait for a lock."""
    return now - one.preview.until > OVERDUE_SECONDS
