"""What is sent: the states of one web app, and what the server has before each is brought to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Size = Literal["web", "small", "large"]
"""Which app: a folder of recipes/."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One state of the app.

    Attributes:
        checkout: Files of another checkout have other times, and requirements are installed again for it.
        edited: One source file has one more line.
        added: Two more packages are required.
    """

    checkout: int = 1
    edited: bool = False
    added: bool = False


VARIANTS: Mapping[str, Variant] = {
    "base": Variant(),
    "code": Variant(edited=True),
    "deps": Variant(checkout=2, added=True),
    "rebuild": Variant(checkout=3),
}


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent in which state of things.

    Attributes:
        variant: Which image.
        follows: Whether the server has the variant `base`, brought by the same method; else it has nothing of it.
    """

    name: str
    variant: str
    follows: bool = True


CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        Case("cold", "base", follows=False),
        Case("code", "code"),
        Case("deps", "deps"),
        Case("rebuild", "rebuild"),
        Case("none", "base"),
    )
}
"""In the order in which they are measured: the first leaves behind what the others begin with."""

LARGE = Case("large", "base", follows=False)
"""An image of 1.5 GB, half of which cannot be compressed: for the memory that it takes."""
