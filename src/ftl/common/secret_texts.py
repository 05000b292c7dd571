"""Texts of a service that have values of secrets in them."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class SecretTexts:
    """The texts of one service, by parts: `("postgres://app:", "PASSWORD", "@db")`.

    Texts and names of secrets take turns; the first part and the last are texts. `env` is by variable, `files` by path
    in the container.
    """

    env: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The names of the secrets."""
        return frozenset(name for parts in (*self.env.values(), *self.files.values()) for name in parts[1::2])
