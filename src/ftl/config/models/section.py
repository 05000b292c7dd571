"""What all sections of ftl.yaml share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ftl.config.models.field_types import ListOf, Nested, keys_of

if TYPE_CHECKING:
    from ftl.config.models.field_types import FieldType


@dataclass(frozen=True, slots=True)
class Section:
    """What all sections share: a plain form that JSON can carry (release records), and the way back."""

    def to_dict(self) -> dict[str, Any]:
        """Every key under its name; tuples become lists, sections become maps."""
        return {name: _plain(getattr(self, name)) for name in keys_of(type(self))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The section that `to_dict` was called on; names it does not know are left out."""
        known = keys_of(cls)
        return cls(
            **{name: _restored(value, known[name].kind) for name, value in data.items() if name in known}
        )


def _plain(value: object) -> Any:
    if isinstance(value, Section):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _restored(value: Any, kind: FieldType) -> Any:
    if isinstance(kind, Nested) and isinstance(value, Mapping):
        return kind.section.from_dict(value)
    if isinstance(value, list):
        item = kind.item if isinstance(kind, ListOf) else None
        return tuple(item.section.from_dict(one) if isinstance(item, Nested) else one for one in value)
    return value
