"""`ftl logs`."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import click

from ftl.cli.expected import load_expected, own_names
from ftl.cli.options import time_option
from ftl.cli.project import load_target, project_option
from ftl.cli.running.run import pass_options, run
from ftl.cli.views.log_printer import log_printer
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftl.cli.expected import Expected
    from ftl.cli.options import Options
    from ftl.cli.project import DeployedProject
    from ftl.events import Emit
    from ftl.operations.views.logs.kinds import LogAccess, LogKind
    from ftl.operations.views.logs.query import LogQuery
    from ftl.operations.views.logs.reading import Warn

_RUN = re.compile(r"-run-[0-9a-f]{8}$")

FOLLOWED = 100
"""Lines of the past that are shown when following, unless -n says otherwise."""


@click.command()
@click.argument("names", metavar="[SERVICE]...", nargs=-1)
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Follow the log until Ctrl-C; with --release until no container of it is left.",
)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"Only the last N lines of the merged log. [all; {FOLLOWED} with -f]",
)
@click.option(
    "--since", metavar="TIME", help="Only lines since this time: 10m, 1h30m, or 2026-01-31T12:00:00Z."
)
@click.option("--until", metavar="TIME", help="Only lines up to this time.")
@click.option(
    "--grep",
    metavar="REGEX",
    help="Only lines that match this regular expression; (?i) at its start ignores case.",
)
@click.option("--job", "jobs", metavar="NAME", multiple=True, help="Runs of this job, instead of services.")
@click.option(
    "--proxy", is_flag=True, help="Requests that the proxy passed to the services, instead of their logs."
)
@click.option("--hooks", is_flag=True, help="Output of the releases' hooks, instead of logs.")
@click.option("--release", metavar="RELEASE", help="Only containers of this release, such as r12.")
@click.option("-t", "--timestamps", is_flag=True, help="Print each line's time before it.")
@click.option("--no-prefix", is_flag=True, help="Print the lines without the container's name.")
@project_option
@pass_options
def command(
    options: Options,
    names: tuple[str, ...],
    follow: bool,
    lines: int | None,
    since: str | None,
    until: str | None,
    grep: str | None,
    jobs: tuple[str, ...],
    proxy: bool,
    hooks: bool,
    release: str | None,
    timestamps: bool,
    no_prefix: bool,
    project: str | None,
) -> None:
    """Print the logs of services and dependencies, merged by time.

    Without a SERVICE, the logs of all of them. Each line begins with its container, which tells replicas and releases
    apart. With -f, containers that a deploy starts are added, and the command continues when some exit and when the
    server restarts. A failed release keeps the last lines of its containers: `ftl logs --release r12`. With --proxy,
    one line for each request: client, method, address, status, duration and size. With --hooks, the last lines of the
    hooks of all releases that are kept; with -f, then those of hooks that run. The logs of several servers are merged;
    the server is named behind the container, and --server chooses one.
    """
    from ftl.config.read.parts import NAMES

    target = load_target(options, project)
    expected = load_expected(options, target, NAMES)
    start = time_option("--since", since)
    if follow and until is not None:
        raise UsageError("--until cannot be used with -f, which has no end")
    if jobs and names:
        raise UsageError("--job prints jobs instead of services", hint="leave out one of the two")
    if hooks and (jobs or proxy):
        raise UsageError("--hooks cannot be used with --job or --proxy")
    if hooks and follow and release is not None:
        raise UsageError("--hooks -f follows the hooks of all releases", hint="leave out -f, or --release")
    if proxy and (jobs or release is not None):
        raise UsageError("--proxy cannot be used with --job or --release")
    kind: LogKind = "hooks" if hooks else "requests" if proxy else "logs"

    async def work(emit: Emit) -> None:
        from ftl.events import Note
        from ftl.operations.views.logs.kinds import LogReading, Shown, nothing_logged, show_logs
        from ftl.operations.views.logs.query import LogQuery

        def warn(text: str) -> None:
            emit(Note(text, "warning"))

        expected.note(emit)
        own = await own_names(expected, emit, jobs=bool(jobs))
        chosen, missing = _chosen(target.project, jobs or names, own, jobs=bool(jobs))
        shown, expect = log_printer(
            options,
            timestamps=timestamps,
            prefix=not no_prefix,
            flush=follow,
            servers=[] if target.address.narrowed else [server.host for server in target.address.servers],
        )
        query = LogQuery(
            target.project,
            chosen,
            tail=FOLLOWED if follow and lines is None and start is None else lines,
            since=start,
            until=time_option("--until", until),
            matches=_pattern(grep),
            release=release,
            jobs=bool(jobs),
            found=expect,
        )
        if kind == "requests":
            from ftl.operations.views.logs.access import announce_requests

            announce_requests(query)
        if missing:
            await _require_known(
                expected,
                query,
                missing,
                own,
                needs_container=kind == "logs" and release is None,
                emit=emit,
            )
        reading = LogReading(query, Shown(shown), warn, emit)
        await show_logs(kind, _access(target, warn), reading, follow=follow)
        if not reading.show.count and lines != 0:
            chosen_by = since is not None or until is not None or grep is not None
            silence = "" if chosen_by else reading.show.silence
            emit(Note(silence or nothing_logged(chosen, since, matching=grep)))

    run(options, "logs", work, lambda _: {})


def _access(target: DeployedProject, warn: Warn) -> LogAccess:
    """The servers of a project, for its logs."""
    from ftl.operations.views.logs.kinds import LogAccess

    name, address = target.project, target.address
    connect = partial(address.connect, project=name)

    async def mask() -> None:
        from ftl.operations.views.logs.masking import mask_secrets_by_a_manager

        chosen_first = sorted(address.servers, key=lambda each: each.host != address.named_server)
        ways = [partial(connect, each.host) for each in chosen_first]
        await mask_secrets_by_a_manager(ways, name, warn)

    servers = address.servers if target.is_cluster else ()
    return LogAccess(connect, lambda: address.machines(project=name), servers, mask, address.narrowed)


async def _require_known(
    expected: Expected,
    query: LogQuery,
    missing: Sequence[str],
    own: Sequence[str],
    *,
    needs_container: bool,
    emit: Emit,
) -> None:
    """Refuse names that neither ftl.yaml nor the servers have."""
    from ftl.host.fleet import open_readable
    from ftl.operations.views.logs.known_names import require_known

    target = expected.target
    async with open_readable(target.address.readable(project=target.project), emit) as fleet:
        await require_known(
            fleet, query, missing, own, needs_container=needs_container, source=expected.source
        )


def _chosen(
    project: str, names: Sequence[str], own: Sequence[str], *, jobs: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that are asked for, and those of them that ftl.yaml does not have: a server may.

    Names of containers that `ftl run -d` has printed are among them.
    """
    if not names:
        return tuple(own), ()
    short = {name: name.removeprefix(f"{project}-") for name in names}
    runs = [] if jobs else [less for less in short.values() if _RUN.search(less)]
    others = [name for name in short if short[name] not in runs]
    missing = tuple(name for name in others if name not in own)
    return (*(name for name in own if name in others), *missing, *runs), missing


def _pattern(text: str | None) -> Callable[[str], object] | None:
    """Search function of a regular expression."""
    if text is None:
        return None
    try:
        return re.compile(text).search
    except re.error as error:
        raise UsageError(
            f"--grep: `{text}` is not a regular expression",
            cause=str(error),
            hint="write a backslash before a special character: `\\(`",
        ) from None
