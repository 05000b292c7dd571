"""Numbers of Compose files in their forms: permissions of files, sizes of memory. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import ScalarNode

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def file_mode(node: Node | None, written: str) -> str | None:
    """Permissions as octal digits; None if they are none.

    A number is octal with `0o` or `0` before it, as in YAML 1.2 and 1.1, else decimal; a text in quotes is octal.
    """
    digits = written.strip().lower()
    base = 8 if digits.startswith("0") or not (isinstance(node, ScalarNode) and node.plain) else 10
    try:
        value = int(digits.removeprefix("0o"), base)
    except ValueError:
        return None
    return f"{value:04o}" if 0 <= value <= 0o7777 else None


def tmpfs_size(written: str) -> str:
    """A size as mount(8) takes it: `64mb` becomes `64m`; an unreadable one stays unchanged."""
    match = re.fullmatch(r"(\d+)(\.\d+)?\s*([kmgt]?)(?:i?b)?", written.strip().lower())
    if match is None:
        return written
    if not match[2] and match[3] != "t":
        return f"{match[1]}{match[3]}"
    return str(int(float(f"{match[1]}{match[2] or ''}") * _UNITS[match[3]]))
