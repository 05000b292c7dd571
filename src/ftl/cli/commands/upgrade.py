"""`ftl upgrade`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl import __version__
from ftl.cli.output import Fields, put
from ftl.cli.running.run import pass_options, run_sync

if TYPE_CHECKING:
    from ftl.cli.options import Options


@click.command()
@pass_options
def command(options: Options) -> None:
    """Show how this FTL was installed, and the command that upgrades it.

    Nothing is changed: the installer that brought FTL upgrades it. Projects and servers need nothing for a new
    version; the changelog says what differs.
    """
    fields = run_sync(options, "upgrade", _fields, lambda fields: fields)
    if not options.json:
        put(f"ftl {fields['version']}, installed by {fields['method']} in {fields['path']}")
        put(f"upgrade: {fields['next']}")


def _fields() -> Fields:
    from ftl.cli.installation import this_installation

    installation = this_installation()
    return {
        "version": __version__,
        "method": installation.method,
        "path": str(installation.path),
        "command": list(installation.command),
        "next": installation.next_step,
    }
