"""The project of a command: its ftl.yaml, and the server it is for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.cli.options import Options
    from ftl.config import Project

FILE = "ftl.yaml"


def load_project(options: Options) -> tuple[Project, Path]:
    """Read the project's file, with --server in place of its server.

    Returns:
        The project, and the folder of its file: what relative paths in it start from.

    Raises:
        UsageError: There is no such file, or --server is not an address.
        ConfigError: The file is wrong.
    """
    from pathlib import Path

    from ftl.config import load

    path = Path(find_file(options.file))
    server = None
    if options.server is not None:
        from ftl.cli.address import resolve

        server = resolve(options.server)
    return load(path, environ=os.environ, server=server), path.resolve().parent


def find_file(given: str | None) -> str:
    """Path of the project's file: the given one, or ftl.yaml here or in the nearest folder above.

    Raises:
        UsageError: There is none.
    """
    if given is not None:
        if os.path.isdir(given):  # noqa: PTH112 - pathlib would cost this path 5 ms
            return find_file(os.path.join(given, FILE))  # noqa: PTH118
        if not os.path.exists(given):  # noqa: PTH110
            raise UsageError(f"there is no file `{given}`")
        return given
    folder = os.getcwd()  # noqa: PTH109
    while True:
        path = os.path.join(folder, FILE)  # noqa: PTH118
        if os.path.isfile(path):  # noqa: PTH113
            return os.path.relpath(path)
        parent = os.path.dirname(folder)  # noqa: PTH120
        if parent == folder:
            raise UsageError(
                f"there is no {FILE} here or in any folder above",
                hint="`ftl init` writes one; `-f FILE` names one that lies elsewhere",
            )
        folder = parent
