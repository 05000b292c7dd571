"""Valid names from those of other tools."""

from __future__ import annotations

import re

from ftl.config.values.scalars import InvalidValue, name


def service_name(given: str) -> str:
    """The name by which others reach a service, where it is valid; else one made from it."""
    return given if _is_valid(given) else project_name(given)


def compose_project_name(given: str) -> str:
    """The name that Compose makes from a folder's: volumes have it (`NormalizeProjectName`)."""
    candidate = re.sub(r"[^a-z0-9_-]", "", given.lower()).lstrip("_-")
    return candidate if _is_valid(candidate) else project_name(given)


def domain_label(given: str) -> str:
    """A name as a part of a domain, which has no `_`."""
    return given.replace("_", "-")


def _is_valid(candidate: str) -> bool:
    try:
        return name(candidate) == candidate
    except InvalidValue:
        return False


def project_name(given: str) -> str:
    """A valid name of a project or service, made from any text."""
    candidate = re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:63].strip("-")
    return candidate if _is_valid(candidate) else "app"
