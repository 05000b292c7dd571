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
    """Create an ftl.yaml for the app in this folder.

    The project is named after the folder, and the port is the one that the Dockerfile exposes. An existing file
    is not overwritten.
    """

    def work() -> Fields:
        from pathlib import Path

        from ftl.config.starter import detect_app, starter_yaml

        path = Path(options.file or FILE)
        app = detect_app(path.parent)
        _write(path, starter_yaml(app))
        return {"file": str(path), "dockerfile": app.dockerfile, "port": app.port}

    fields = run_sync(options, "init", work, lambda fields: fields)
    if options.json or options.quiet:
        return
    put(f"created {fields['file']}: set your domain in it, then run `ftl validate`")
    put("to try it without a server: `ftl sandbox up`, then `ftl deploy --server sandbox`")
    if not fields["dockerfile"]:
        put("there is no Dockerfile next to it yet; `ftl build` needs one")
    elif fields["port"] is None:
        put("the Dockerfile exposes no port: replace 8000 with the port your app listens on")


def _write(path: Path, text: str) -> None:
    """Create the file.

    Raises:
        UsageError: It exists already, or cannot be written.
    """
    from ftl.errors import UsageError

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} already exists", hint="`ftl validate` checks it") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written", cause=error.strerror) from error
