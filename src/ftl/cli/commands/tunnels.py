"""`ftl tunnels`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from ftl.cli.output import put, put_json, put_table
from ftl.cli.project import load_project
from ftl.cli.running.run import pass_options, run
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.cli.address import Address
    from ftl.cli.options import Options
    from ftl.events import Emit
    from ftl.host.session import Session
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
@pass_options
def command(options: Options, names: tuple[str, ...], ports: tuple[str, ...], offset: int) -> None:
    """Forward the dependencies' ports to this machine.

    Every port of every dependency is open on 127.0.0.1 under the same number, until Ctrl-C:
    `psql -h 127.0.0.1` connects to the project's database. Tunnels survive deploys and lost connections. With several
    servers, each leads to the one that has the dependency.
    """
    from ftl.tunnels.tunnels import plan_tunnels

    project, _, address = load_project(options, fetch=False)

    async def work(emit: Emit) -> None:
        from ftl.aio import gather
        from ftl.tunnels.tunnels import keep_tunnels

        tunnels = plan_tunnels(project, names, offset=offset, choices=[parse_choice(text) for text in ports])
        places = {dependency.name: project.server_for(dependency) for dependency in project.dependencies}

        async def keep(server: str) -> None:
            own = [tunnel for tunnel in tunnels if places[tunnel.name] == server]
            await keep_tunnels(
                lambda: _connect(address, server),
                project.name,
                own,
                emit=emit,
                opened=lambda server: _print(options, server, own),
            )

        await gather(keep(server) for server in dict.fromkeys(places[tunnel.name] for tunnel in tunnels))

    run(options, "tunnels", work, lambda _: {})


def _connect(address: Address, name: str) -> AbstractAsyncContextManager[Session]:
    """Connect to the server that has a dependency; `name` is empty with one server."""
    from ftl.host.session import open_session
    from ftl.ssh.machine import machine_of

    server = next((each for each in address.servers if each.host == name), address.server)
    return open_session(machine_of(server, keep=False))


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
