"""`ftl sandbox up|status|down`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

import click

from ftl.cli.common import Fields, Options, pass_options, put, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.events import Emit

F = TypeVar("F", bound="Callable[..., object]")


def _named(function: F) -> F:
    """The option that all three share."""
    return click.option(
        "--name",
        envvar="FTL_SANDBOX",
        metavar="NAME",
        help="Which one, for several side by side; also $FTL_SANDBOX. [default: sandbox]",
    )(function)


@click.group()
def command() -> None:
    """A throwaway server on this machine: to try things on, and for CI.

    It is a container with sshd and a Docker engine of its own. `ftl --server sandbox deploy` deploys to
    it whatever the file's server is, exactly as to a real one: over SSH, as a user in the docker group.
    """


@command.command()
@_named
@pass_options
def up(options: Options, name: str | None) -> None:
    """Start the sandbox, if need be, and print where it is.

    The first time makes its image, from Docker Hub's Debian or, where no registry is reachable, with
    mmdebstrap. Its ports are published on 127.0.0.1 alone.
    """

    async def work(emit: Emit) -> Fields:
        from ftl.server import sandbox

        there = await sandbox.up(name, emit)
        return {**there.fields(), "urls": there.urls, "ssh": there.ssh}

    fields = run(options, "sandbox up", work)
    _print(options, fields)
    if not options.json:
        put(f"{'next':<8}{_next(name)}")


def _next(name: str | None) -> str:
    """The command that deploys to the sandbox; one named here alone has to be named there as well."""
    import os

    elsewhere = name is not None and os.environ.get("FTL_SANDBOX") != name
    return f"{f'FTL_SANDBOX={name} ' if elsewhere else ''}ftl deploy --server sandbox"


@command.command()
@_named
@pass_options
def status(options: Options, name: str | None) -> None:
    """Say whether the sandbox runs, and where.

    The exit code is 1 when it does not.
    """

    async def work(_: Emit) -> Fields:
        from ftl.server import sandbox

        found = await sandbox.status(name)
        fields: Fields = {"name": found.name, "state": found.state}
        if (there := found.address) is not None:
            fields = {**fields, **there.fields(), "urls": there.urls, "ssh": there.ssh}
        return fields if found.state == "running" else {**fields, **_as_failure(found.state)}

    fields = run(options, "sandbox status", work)
    if not options.json:
        put(f"{'state':<8}{fields['state']}")
    _print(options, fields)
    if fields["state"] != "running":
        sys.exit(1)


def _as_failure(state: str) -> Fields:
    """What a result says when the answer is no: the same as the exit code, beside the fields of the answer."""
    from ftl.errors import FtlError
    from ftl.ui.failure import as_record

    error = FtlError(f"the sandbox is {state}", hint="`ftl sandbox up` starts it")
    return {"ok": False, "exit_code": error.exit_code, "error": as_record(error)}


@command.command()
@_named
@click.option("--images", is_flag=True, help="Also the image that sandboxes are made from.")
@pass_options
def down(options: Options, name: str | None, images: bool) -> None:
    """Remove the sandbox with everything on it, and its keys."""

    async def work(_: Emit) -> Fields:
        from ftl.server import sandbox

        return {"removed": await sandbox.down(name, images=images)}

    fields = run(options, "sandbox down", work)
    if not options.json:
        put("removed" if fields["removed"] else "there was none")


def _print(options: Options, fields: Fields) -> None:
    """Print where the sandbox is, for people."""
    if options.json or "host" not in fields:
        return
    http, https = fields["urls"] if isinstance(fields["urls"], tuple) else ("", "")
    put(f"{'server':<8}{fields['user']}@{fields['host']}:{fields['port']}")
    put(f"{'http':<8}{http}")
    put(f"{'https':<8}{https}")
    put(f"{'ssh':<8}{fields['ssh']}")
