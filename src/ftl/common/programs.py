"""Texts that are files of a package: templates, and programs that run on servers."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import ResourceLoader


@cache
def program(package: str, *paths: str) -> str:
    """Read files of a package as one program.

    Their comment lines are left out: they need not travel.

    `package` is the importing module's `__package__`; each file follows the one before.
    """
    text = "".join(read_packaged(package, path) for path in paths)
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))


def read_packaged(package: str, path: str) -> str:
    """Read a file of a package."""
    module = import_module(package)
    # importlib.resources does the same, and takes 8 ms to import.
    loader = cast("ResourceLoader", module.__spec__.loader if module.__spec__ is not None else None)
    return loader.get_data(f"{module.__path__[0]}/{path}").decode()


def shell(script: str, name: str, *arguments: str) -> list[str]:
    """Command that runs a program in a shell; `name` is its $0, which messages begin with."""
    return ["sh", "-c", script, name, *arguments]
