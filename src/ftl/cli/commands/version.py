"""`ftl version`."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import click

from ftl import __version__
from ftl.cli.output import Fields, put
from ftl.cli.project import load_target
from ftl.cli.running.run import pass_options, run, run_sync
from ftl.errors import FtlError

if TYPE_CHECKING:
    from ftl.cli.address import Address
    from ftl.cli.options import Options
    from ftl.events import Emit


@click.command()
@pass_options
def command(options: Options) -> None:
    """Print the versions of FTL, Python and the server's engine.

    The server is that of ftl.yaml or of --server, if there is one. If it cannot be reached, the rest is still
    printed, and the exit code is 0.
    """
    address = _address(options)
    if address is None:
        fields = run_sync(options, "version", _local_fields, lambda fields: fields)
    else:
        known = address

        async def work(_: Emit) -> Fields:
            return {**_local_fields(), "server": await _server_fields(known)}

        fields = run(options, "version", work, lambda fields: fields)
    if not options.json:
        _print(fields)


def _local_fields() -> Fields:
    return {"ftl": __version__, "python": platform.python_version(), "system": platform.platform(terse=True)}


def _address(options: Options) -> Address | None:
    """The server to ask, if any; a missing or wrong file is an error only where -f names it."""
    if options.server is not None:
        from ftl.cli.address import resolve

        return resolve(options.server)
    try:
        return load_target(options, None).address
    except FtlError:
        if options.file is not None:
            raise
        return None


async def _server_fields(address: Address) -> dict[str, str]:
    """Version of the server's engine, or the error of asking for it."""
    from ftl.host.session import open_session

    try:
        async with open_session(address.machine()) as session:
            info = session.info
            return {
                "name": session.name,
                "engine": info.version,
                "api": info.api,
                "platform": info.platform,
                "store": info.store,
            }
    except FtlError as error:
        return {"name": address.server.host, "error": error.message}


def _print(fields: Fields) -> None:
    server = fields.get("server")
    for name in ("ftl", "python", "system"):
        put(f"{name:<8}{fields[name]}")
    if not isinstance(server, dict):
        return
    if "error" in server:
        put(f"{'server':<8}{server['name']}: {server['error']}")
    else:
        put(
            f"{'server':<8}{server['name']}: Docker {server['engine']} (API {server['api']}), "
            f"{server['platform']}, {server['store']}"
        )
