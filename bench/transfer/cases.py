"""Cases of the benchmark: the variants of one web app, and the state of the server before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Size = Literal["web", "small", "large"]
"""The app: a folder of recipes/."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant of the app.

    Attributes:
        checkout: Number of the checkout: each has other file times, and its requirements are installed again.
        edited: One source file has one more line.
        added: The requirements have two more packages.
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
    """A variant to send, and the state of the server before.

    Attributes:
        variant: The variant.
        follows: Whether the server has the variant `base`, sent by the same method; else it has no layer of it.
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
"""In the order of measurement: the first leaves the state that the others begin with."""

LARGE = Case("large", "base", follows=False)
"""An image of 1.5 GB, half of which is incompressible: measured for its memory."""
