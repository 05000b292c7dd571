"""`ftl version`."""

from __future__ import annotations

import platform

import click

from ftl import __version__
from ftl.cli.common import Fields, Options, pass_options, put, run_sync


@click.command()
@pass_options
def command(options: Options) -> None:
    """Print the versions of FTL, Python and the server's engine."""

    def work() -> Fields:
        return {"ftl": __version__, "python": platform.python_version()}

    fields = run_sync(options, "version", work)
    if not options.json:
        for name, value in fields.items():
            put(f"{name} {value}")
