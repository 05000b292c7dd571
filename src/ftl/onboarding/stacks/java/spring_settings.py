"""Settings of a Spring Boot app: application.properties and application.yml as one table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.foreign_yaml import documents, flat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.onboarding.folder import AppFolder

_PLACE = "src/main/resources/application"
_PROPERTY = re.compile(r"([\w.-]+)[ \t]*[=:][ \t]*(.*)")
_FILTERED = re.compile(r"@([\w.-]+)@")
"""A value that Maven puts in; as it is written, it is no YAML."""


def spring_settings(folder: AppFolder) -> dict[str, str]:
    """Values by their dotted keys; as in Spring, properties win, and profiles are not in effect."""
    found: dict[str, str] = {}
    for line in folder.read(f"{_PLACE}.properties").splitlines():
        if line.startswith(("#---", "!---")):
            break  # the documents below are of profiles
        if match := _PROPERTY.match(line.strip()):
            found[match[1]] = match[2].strip()
    for suffix in (".yml", ".yaml"):
        text = _FILTERED.sub(r"\1", folder.read(f"{_PLACE}{suffix}"))
        for document in documents(text):
            values = flat(document)
            if not any(key.startswith(("spring.config.activate.", "spring.profiles")) for key in values):
                found = values | found
    return found


def port_of(settings: Mapping[str, str], key: str) -> int | None:
    """The number of a port, also where it is the default of a variable."""
    match = re.match(r"(?:\$\{[\w.]+:)?(\d+)", settings.get(key, ""))
    return int(match[1]) if match else None
