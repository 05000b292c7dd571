"""`ftl sandbox up|status|down`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put
from ftl.cli.running.run import pass_options, run
from ftl.common.next_step import bare_ftl, ftl

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.events import Emit
    from ftl.server.sandbox import Sandbox

_NAME = "ftl.sandbox.name"


def _remember(context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Keep the name that was given before the subcommand; one after it comes later, and wins."""
    if value is not None:
        context.meta[_NAME] = value
    name = context.meta.get(_NAME)
    assert name is None or isinstance(name, str)
    return name


_name_option = click.option(
    "--name",
    metavar="NAME",
    callback=_remember,
    help="Name of the sandbox, if there are several; also $FTL_SANDBOX. [default: sandbox]",
)


@click.group()
@_name_option
def command(name: str | None) -> None:
    """Run a throwaway server on this machine, for a first try or for CI.

    The sandbox is a container with sshd and a separate Docker engine. `ftl --server sandbox deploy` deploys to it
    instead of the file's server, exactly as to a real one: over SSH, as a user in the docker group.

    A sandbox with --servers stands in for the `servers` of a file, in their order and by their names.
    """


@command.command()
@_name_option
@click.option(
    "--servers",
    metavar="N",
    type=click.IntRange(1, 5),
    help="Several servers on one network, for a file with `servers`: 2 to 5.  [default: 1]",
)
@pass_options
def up(options: Options, name: str | None, servers: int | None) -> None:
    """Start the sandbox if it is not running, and print its addresses.

    The first start builds its image, from Docker Hub's Debian or, where no registry is reachable, with
    mmdebstrap. Its ports are published on 127.0.0.1 only.

    Several servers become one cluster by `ftl setup --server sandbox`, as real ones do.
    """

    async def work(emit: Emit) -> Sandbox:
        from ftl.server import sandbox

        return await sandbox.up(name, emit, servers=servers)

    started = run(options, "sandbox up", work, _address_fields)
    if not options.json:
        _print(started)
        put(f"{'next':<8}{_next(name, started)}")


def _next(name: str | None, started: Sandbox) -> str:
    """The commands that deploy to the sandbox, with the name that only --name gave."""
    import os

    only_here = name is not None and os.environ.get("FTL_SANDBOX") != name
    prefix = f"FTL_SANDBOX={name} " if only_here else ""
    verbs = ("setup", "deploy") if len(started.addresses) > 1 else ("deploy",)
    return ", then ".join(prefix + bare_ftl(f"{verb} --server sandbox") for verb in verbs)


@command.command()
@_name_option
@pass_options
def status(options: Options, name: str | None) -> None:
    """Show whether the sandbox runs, and its addresses.

    The exit code is 1 when it does not.
    """

    async def work(_: Emit) -> Sandbox:
        from ftl.server import sandbox

        return await sandbox.status(name)

    result = run(options, "sandbox status", work, _status_fields)
    if not options.json:
        put(f"{'state':<8}{result.state}")
        _print(result)
        if result.others:
            put(f"{'others':<8}{', '.join(result.others)}")
    if result.state != "running":
        sys.exit(1)


def _status_fields(status: Sandbox) -> Fields:
    known = {"name": status.name, "state": status.state, "others": list(status.others)}
    fields: Fields = {**known, **_address_fields(status)}
    return fields if status.state == "running" else {**fields, **_as_failure(status.state)}


def _address_fields(sandbox: Sandbox) -> Fields:
    """The first server's address, and where there are several, those of all."""
    fields = [{**address.fields(), "urls": address.urls, "ssh": address.ssh} for address in sandbox.addresses]
    return {**(fields[0] if fields else {}), **({"servers": fields} if len(fields) > 1 else {})}


def _as_failure(state: str) -> Fields:
    """Fields of a failed result, in step with the exit code."""
    from ftl.cli.failure import failed_fields
    from ftl.errors import FtlError

    error = FtlError(f"the sandbox is {state}", hint=f"{ftl('sandbox up')} starts it")
    return failed_fields(error)


@command.command()
@_name_option
@click.option("--images", is_flag=True, help="Also remove the image that sandboxes are created from.")
@pass_options
def down(options: Options, name: str | None, images: bool) -> None:
    """Remove the sandbox with all its data and keys."""

    async def work(_: Emit) -> bool:
        from ftl.server import sandbox

        return await sandbox.down(name, images=images)

    removed = run(options, "sandbox down", work, lambda removed: {"removed": removed})
    if not options.json:
        put("removed" if removed else "there is no sandbox")


def _print(sandbox: Sandbox) -> None:
    for address in sandbox.addresses:
        http, https = address.urls
        put(f"{'server':<8}{address.user}@{address.host}:{address.port}")
        put(f"{'http':<8}{http}")
        put(f"{'https':<8}{https}")
        put(f"{'ssh':<8}{address.ssh}")
