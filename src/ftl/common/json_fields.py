"""Lenient getters for parsed JSON: a missing value, or one of another type, reads as empty.

Engines and registries leave fields out, write null for an empty list, and add fields with every version; a file may
have been written by another version or by hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

Json = Mapping[str, object]
"""A JSON object as it was read."""

JsonObject = dict[str, object]
"""A JSON object that is made here, for a request or a configuration."""


def parse_json(content: str | bytes, *, numbers_as_text: bool = False) -> Any:
    """Parse JSON from outside; the only place that does.

    With `numbers_as_text` a number is the text that is written: 1.10 and 1e3 stay what they are.

    Raises:
        ValueError: It is not JSON, or is nested too deeply (`json` raises RecursionError then, which nobody expects
            of a file).
    """
    try:
        if numbers_as_text:
            return json.loads(content, parse_int=str, parse_float=str, parse_constant=str)
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def as_object(value: object) -> Json:
    """An object, or an empty one."""
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def as_objects(value: object) -> list[Json]:
    """A list of objects; other items are left out."""
    return [as_object(item) for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def as_str(value: object) -> str:
    """A string, or an empty one."""
    return value if isinstance(value, str) else ""


def as_int(value: object) -> int:
    """A whole number, or 0 (JSON's 1e999 reads as infinity)."""
    if isinstance(value, int):
        return int(value)
    return int(value) if isinstance(value, float) and math.isfinite(value) else 0


def as_float(value: object) -> float:
    """A finite number, or 0."""
    try:
        number = float(value) if isinstance(value, int | float) else 0.0
    except OverflowError:  # a whole number of more than 308 digits
        return 0.0
    return number if math.isfinite(number) else 0.0


def as_bool(value: object) -> bool:
    """A boolean, or false."""
    return value is True


def as_strs(value: object) -> tuple[str, ...]:
    """A list of strings; other items are left out."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def as_str_map(value: object) -> dict[str, str]:
    """An object with string values (labels); other values are left out."""
    return {key: item for key, item in as_object(value).items() if isinstance(item, str)}
