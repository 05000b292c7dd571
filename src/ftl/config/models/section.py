"""Base class of the sections of ftl.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from ftl.config.models.field_types import ListOf, Nested, keys_of
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.config.models.field_types import FieldType


@dataclass(frozen=True, slots=True)
class Section:
    """A section: converts to plain JSON values (for release records) and back."""

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, by key; tuples become lists, sections become maps."""
        return {name: _plain(getattr(self, name)) for name in keys_of(type(self))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Restore the section from the result of `to_dict`; unknown keys are ignored."""
        known = keys_of(cls)
        return cls(
            **{name: _restored(value, known[name].type) for name, value in data.items() if name in known}
        )


def _plain(value: object) -> Any:
    if isinstance(value, Section):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _restored(value: Any, field_type: FieldType) -> Any:
    if isinstance(field_type, Nested) and isinstance(value, Mapping):
        return field_type.section.from_dict(value)
    if isinstance(value, list):
        item_type = field_type.item if isinstance(field_type, ListOf) else None
        return tuple(
            item_type.section.from_dict(item) if isinstance(item_type, Nested) else item for item in value
        )
    return value
