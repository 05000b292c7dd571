"""Names of values and sections in messages, by their path in ftl.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.config.yaml.marks import KeyPath


_MAX_QUOTED = 80
"""Characters of a value that a message quotes."""


def quoted(text: str) -> str:
    """Quote a value in a message.

    Of a whole document pasted in the wrong place, only the beginning is quoted.
    """
    return f"`{text}`" if len(text) <= _MAX_QUOTED else f"`{text[:_MAX_QUOTED]}…`"


def value_label(path: KeyPath) -> str:
    """Name a value in messages: by its key, or by that of the list that it is in."""
    return str(next(step for step in reversed(path) if isinstance(step, str)))


def section_label(path: KeyPath) -> str:
    """Name a section in messages: `build`, `services[0]`."""
    if not path:
        return "the file"
    return f"{path[-2]}[{path[-1]}]" if isinstance(path[-1], int) else path[-1]


def hint_section(path: KeyPath) -> str:
    """Name a section as `foreign_keys` does: "container.health_check", "" for the top."""
    names = [step for step in path if isinstance(step, str)]
    return ".".join(names[1:] if len(names) > 1 and names[0] in ("services", "dependencies") else names)
