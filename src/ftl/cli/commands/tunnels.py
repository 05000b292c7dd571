"""`ftl tunnels`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from ftl.cli.output import put, put_json, put_table
from ftl.cli.project import load_target, project_option
from ftl.cli.running.run import pass_options, run
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from ftl.cli.options import Options
    from ftl.cli.project import DeployedProject
    from ftl.config.models.project import Project
    from ftl.events import Emit
    from ftl.tunnels.tunnels import PortChoice, Tunnel


@click.command()
@click.argument("names", metavar="[DEPENDENCY]...", nargs=-1)
@click.option(
    "-p",
    "--port",
    "ports",
    multiple=True,
    metavar="NAME=PORT",
    help="Local port for a dependency; NAME:ITS_PORT=PORT if it has several. Repeatable.",
)
@click.option(
    "--offset", type=int, default=0, metavar="N", help="Add N to the local ports that -p does not set."
)
@project_option
@pass_options
def command(
    options: Options, names: tuple[str, ...], ports: tuple[str, ...], offset: int, project: str | None
) -> None:
    """Forward the dependencies' ports to this machine.

    Every port of every dependency is open on 127.0.0.1 under the same number, until Ctrl-C:
    `psql -h 127.0.0.1` connects to the project's database. Tunnels survive deploys and lost connections. With several
    servers, each leads to the one that has the dependency.
    """
    target = load_target(options, project)
    choices = [parse_choice(text) for text in ports]

    async def work(emit: Emit) -> None:
        from ftl.aio import gather
        from ftl.tunnels.tunnels import keep_tunnels, plan_tunnels

        wanted = {*names, *(choice.name for choice in choices)}
        found = await _dependencies(options, target, wanted, emit)
        tunnels = plan_tunnels(found, names, offset=offset, choices=choices)
        places = {dependency.name: found.server_for(dependency) for dependency in found.dependencies}

        async def keep(server: str) -> None:
            own = [tunnel for tunnel in tunnels if places[tunnel.name] == server]
            await keep_tunnels(
                lambda: target.address.connect(server, keep=False),
                target.project,
                own,
                emit=emit,
                opened=lambda server: _print(options, server, own),
            )

        await gather(keep(server) for server in dict.fromkeys(places[tunnel.name] for tunnel in tunnels))

    run(options, "tunnels", work, lambda _: {})


async def _dependencies(options: Options, target: DeployedProject, wanted: Set[str], emit: Emit) -> Project:
    """The project with its dependencies: by ftl.yaml, or where it lacks a wanted one, or any, by the servers."""
    from ftl.cli.expected import load_expected
    from ftl.config.read.parts import DEPENDENCIES
    from ftl.host.fleet import open_readable
    from ftl.operations.deployed import with_deployed_dependencies

    by_file = load_expected(options, target, DEPENDENCIES).project
    known = {dependency.name for dependency in by_file.dependencies} if by_file is not None else set()
    if by_file is not None and known and wanted <= known:
        return by_file
    async with open_readable(target.address.machines(project=target.project), emit) as fleet:
        return await with_deployed_dependencies(fleet, target.bare_project)


def parse_choice(text: str) -> PortChoice:
    """Parse NAME=PORT or NAME:ITS_PORT=PORT.

    Raises:
        UsageError: The text is neither.
    """
    from ftl.tunnels.tunnels import PortChoice

    match = re.fullmatch(r"([^:=]+)(?::([0-9]{1,5}))?=([0-9]{1,5})", text)
    if match is None:
        raise UsageError(f"-p: `{text}` is not a port", hint="write `-p postgres=15432`")
    return PortChoice(match[1], int(match[3]), int(match[2]) if match[2] else None)


def _print(options: Options, server: str, tunnels: Sequence[Tunnel]) -> None:
    """Print the open tunnels."""
    if options.json:
        for tunnel in tunnels:
            address = f"127.0.0.1:{tunnel.local}"
            put_json({"type": "tunnel", "name": tunnel.name, "port": tunnel.port, "address": address})
        return
    put_table(
        ("DEPENDENCY", "PORT", "OPEN AT"),
        [(tunnel.name, str(tunnel.port), f"127.0.0.1:{tunnel.local}") for tunnel in tunnels],
    )
    if not options.quiet:
        put(f"connected to {server}; Ctrl-C closes the tunnels")
