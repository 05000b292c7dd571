"""Shell and Perl programs that are files of a package and run on servers."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def program(package: str, *paths: str) -> str:
    """Read files of a package as one program.

    Their comment lines are left out: they need not travel.

    `package` is the importing module's `__package__`; each file follows the one before.
    """
    folder = files(package)
    text = "".join(folder.joinpath(path).read_text("utf-8") for path in paths)
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))
