"""Packages whose parts are loaded when something of them is first asked for: a command waits for what it uses alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def loader(package: str, where: Mapping[str, str]) -> Callable[[str], object]:
    """What is to be a package's `__getattr__` (PEP 562).

    Args:
        package: Its name.
        where: Name -> the module of the package that has it.
    """

    def load(name: str) -> object:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(f"{package}.{where[name]}"), name)
        return found

    return load
