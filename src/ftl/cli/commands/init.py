"""`ftl init`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put
from ftl.cli.project import FILE
from ftl.cli.run import pass_options, run_sync

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.cli.options import Options


@click.command()
@pass_options
def command(options: Options) -> None:
    """Write a first ftl.yaml for the app in this folder.

    The project is named after the folder, and the port is the one that the Dockerfile exposes. A file that is
    there is left alone.
    """

    def work() -> Fields:
        from pathlib import Path

        from ftl.config.starter import detect_app, starter_yaml

        path = Path(options.file or FILE)
        found = detect_app(path.parent)
        _write(path, starter_yaml(found))
        return {"file": str(path), "dockerfile": found.dockerfile, "port": found.port}

    fields = run_sync(options, "init", work, lambda fields: fields)
    if options.json or options.quiet:
        return
    put(f"wrote {fields['file']}: give it your domain, then `ftl validate`")
    put("to try it without a server: `ftl sandbox up`, then `ftl deploy --server sandbox`")
    if not fields["dockerfile"]:
        put("there is no Dockerfile beside it yet: `ftl build` needs one")
    elif fields["port"] is None:
        put("the Dockerfile exposes no port: put the one your app listens on in place of 8000")


def _write(path: Path, text: str) -> None:
    """Create the file.

    Raises:
        UsageError: It is there already, or cannot be written.
    """
    from ftl.errors import UsageError

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already", hint="`ftl validate` checks it") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written", cause=error.strerror) from error
