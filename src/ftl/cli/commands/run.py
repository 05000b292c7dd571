"""`ftl run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from ftl.cli.options import seconds
from ftl.cli.output import put
from ftl.cli.project import load_target, project_option
from ftl.cli.running.run import has_terminal, pass_options, run, run_attached
from ftl.common.next_step import ftl
from ftl.errors import UsageError

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.events import Emit
    from ftl.operations.processes.run import RunResult


@click.command()
@click.argument("name", metavar="SERVICE")
@click.argument("arguments", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option("--release", metavar="RELEASE", help="A release whose image is on the server. [the live one]")
@click.option("-d", "--detach", is_flag=True, help="Leave it running, and print the container's name.")
@click.option("--ttl", metavar="TIME", help="Stop it after this time: 90s, 30m, 2h. [24h; with -d, no limit]")
@project_option
@pass_options
def command(
    options: Options,
    name: str,
    arguments: tuple[str, ...],
    release: str | None,
    detach: bool,
    ttl: str | None,
    project: str | None,
) -> None:
    """Run a command in a new container of a service.

    The container has the image, env, volumes and network of the live release, as recorded on the server, but no
    ports, and gets none of the service's requests. It is removed when the command ends. COMMAND is passed to the
    image's entrypoint; without a COMMAND, a shell starts instead. Terminal, pipes and exit code are as with `ftl
    exec`. When FTL or the connection ends, the command ends too, unless it is detached. A deploy leaves it alone.
    With several servers, it runs where the service runs; a note names the server, and --server chooses one.
    """
    from ftl.operations.processes.run import RunRequest

    if detach and not arguments:
        raise UsageError(
            "-d needs a command to run", hint=f"write it after `--`: {ftl(f'run -d {name} -- COMMAND')}"
        )
    target = load_target(options, project)
    kind: Literal["detached", "terminal", "pipes"] = "detached" if detach else "pipes"
    if not detach and has_terminal():
        kind = "terminal"
    request = RunRequest(
        target.project,
        target.address.server,
        name,
        arguments,
        release=release,
        kind=kind,
        seconds=None if ttl is None else seconds("--ttl", ttl, least=1),
        environment=target.environment,
        servers=target.address.servers,
        on=target.address.named_server,
    )

    async def work(emit: Emit) -> RunResult:
        from ftl.operations.processes.run import run_command

        observer = target.address.observer
        async with observer.connect(target.address.machines(project=target.project), emit) as fleet:
            return await run_command(request, fleet, observer.observe, emit)

    async def attached(emit: Emit) -> int:
        return (await work(emit)).status

    if not detach:
        run_attached(options, "run", attached)
    result = run(options, "run", work, lambda result: {"container": result.container})
    if not options.json:
        put(result.container)
