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
    from ftl.config.starter import DetectedApp


@click.command()
@pass_options
def command(options: Options) -> None:
    """Create an ftl.yaml for the app in this folder.

    The project is named after the folder, and the port is the one that the Dockerfile exposes. Without a
    .dockerignore, one is created that keeps .git, .env and ftl.yaml out of the image. An existing file is not
    overwritten.
    """

    def work() -> Fields:
        from pathlib import Path

        from ftl.config.starter import DOCKERIGNORE, starter_yaml

        path = Path(options.file or FILE)
        app = _detect_app(path.parent)
        _write(path, starter_yaml(app))
        ignore = path.with_name(".dockerignore")
        missing = _not_ignored(ignore)
        if missing is None:
            _write(ignore, DOCKERIGNORE)
        return {
            "file": str(path),
            "dockerfile": app.dockerfile,
            "port": app.port,
            "dockerignore": str(ignore) if missing is None else None,
            "not_ignored": missing or [],
        }

    fields = run_sync(options, "init", work, lambda fields: fields)
    not_ignored = fields["not_ignored"]
    if options.json or options.quiet:
        return
    put(f"created {fields['file']}: set your domain in it, then run `ftl validate`")
    if fields["dockerignore"] is not None:
        put(f"created {fields['dockerignore']}, which keeps .git, .env and ftl.yaml out of the image")
    elif isinstance(not_ignored, list) and not_ignored:
        put(f"add to .dockerignore, so that they are not in the image: {' '.join(not_ignored)}")
    put("to try it without a server: `ftl sandbox up`, then `ftl deploy --server sandbox`")
    if not fields["dockerfile"]:
        put("there is no Dockerfile next to it yet; `ftl build` needs one")
    elif fields["port"] is None:
        put("the Dockerfile exposes no port: replace 8000 with the port your app listens on")


def _detect_app(folder: Path) -> DetectedApp:
    from ftl.config.starter import DetectedApp, project_name
    from ftl.files import read_small_file
    from ftl.image.building.dockerfile import exposed_port

    name = project_name(folder.resolve().name)
    try:
        text = read_small_file(folder / "Dockerfile").decode("utf-8", "replace")
    except OSError:
        return DetectedApp(name, dockerfile=False, port=None)
    return DetectedApp(name, dockerfile=True, port=exposed_port(text))


def _not_ignored(file: Path) -> list[str] | None:
    """Files that a .dockerignore should exclude and does not; None if there is no such file."""
    from ftl.config.starter import NOT_FOR_IMAGES
    from ftl.image.building.dockerignore import read_dockerignore

    if not file.exists():
        return None
    ignore = read_dockerignore(file.parent, file.with_name("Dockerfile"))
    return [path for path in NOT_FOR_IMAGES if not ignore.match(path, ignore.top).ignored]


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
