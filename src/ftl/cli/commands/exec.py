"""`ftl exec`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.project import load_target, project_option
from ftl.cli.running.run import has_terminal, pass_options, run_attached

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.events import Emit


@click.command()
@click.argument("name", metavar="SERVICE")
@click.argument("arguments", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--replica", type=click.IntRange(min=1), metavar="N", help="The N-th replica. [the first running one]"
)
@project_option
@pass_options
def command(
    options: Options, name: str, arguments: tuple[str, ...], replica: int | None, project: str | None
) -> None:
    """Run a command or a shell in a running container.

    SERVICE is a service or a dependency. Without a COMMAND, a shell: bash if the image has it, else sh. No shell
    parses the arguments of a COMMAND. It gets a terminal if stdin and stdout are one; else its input and output are
    pipes, byte by byte: `ftl exec postgres -- pg_dump -U shop shop > shop.sql`. Its exit code is that of FTL. When FTL
    or the connection ends, the command ends too. With several servers, the container may be on any of them; a note
    names it, and --server chooses one.
    """
    target = load_target(options, project)

    async def work(emit: Emit) -> int:
        from ftl.operations.processes.exec import execute

        observer = target.address.observer
        async with observer.connect(target.address.readable(project=target.project), emit) as fleet:
            return await execute(
                fleet,
                target.project,
                name,
                arguments,
                replica=replica,
                terminal=has_terminal(),
                environment=target.environment,
                servers=() if target.address.narrowed else target.address.servers,
                observe=observer.observe,
                emit=emit,
            )

    run_attached(options, "exec", work)
