"""Valid names from those of other tools."""

from __future__ import annotations

import re

from ftl.config.values.scalars import InvalidValue, name


def project_name(given: str) -> str:
    """A valid name of a project or service, made from any text."""
    candidate = re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:63].strip("-")
    try:
        return name(candidate)
    except InvalidValue:
        return "app"
