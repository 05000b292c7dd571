"""All variables that an app's sources read, in the order of the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.onboarding.variables.calls import called_variables
from ftl.onboarding.variables.schemas import SOURCES, schema_variables
from ftl.onboarding.variables.variable import CodeVariable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def variables_of(sources: Mapping[str, str]) -> dict[str, CodeVariable]:
    """The variables by name: the first file that reads each, and the first one that demands it."""
    found: dict[str, CodeVariable] = {}
    for one in _all(sources):
        before = found.get(one.name, one)
        names = dict.fromkeys((*before.other_names, *one.other_names))
        demanded_by = before.demanded_by or one.demanded_by
        found[one.name] = CodeVariable(one.name, before.file, demanded_by, tuple(names))
    return found


def _all(sources: Mapping[str, str]) -> Iterator[CodeVariable]:
    for file, text in sources.items():
        yield from called_variables(file, text)
        if file.endswith(SOURCES):
            yield from schema_variables(file, text)
    if any("BaseSettings" in text for text in sources.values()):
        from ftl.onboarding.variables.pydantic import settings_variables

        yield from settings_variables(sources)
