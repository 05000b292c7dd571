"""Databases whose data depends on the version of their image: major versions and data paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl import references

if TYPE_CHECKING:
    from collections.abc import Collection, Container

FAMILIES = ("postgres", "mysql", "mariadb", "mongo")
"""Official images that cannot share data with another major version of the image."""

_POSTGRES = "/var/lib/postgresql"
_POSTGRES_BEFORE_18 = "/var/lib/postgresql/data"


def major_version(image: str) -> tuple[str, int] | None:
    """Family and leading number of the tag: ("postgres", 16); None where there is none."""
    repository, tag = references.split(image)
    name = repository.removeprefix(f"{references.HUB}/").rpartition("library/")[2]
    number = re.match(r"\d+", tag)
    return (name, int(number[0])) if name in FAMILIES and number is not None else None


def unused_mount(image: str, env: Container[str], targets: Collection[str]) -> tuple[str, str] | None:
    """Mount at which an image of this version keeps no data, and the right one.

    The postgres images moved theirs in version 18 (docker-library/postgres, pull request 1259); PGDATA overrides it.

    Args:
        image: Reference of the image.
        env: Names of the container's variables.
        targets: Paths that volumes are mounted at, without a final slash.
    """
    version = major_version(image)
    if version is None or version[0] != "postgres" or "PGDATA" in env:
        return None
    wrong, right = (_POSTGRES_BEFORE_18, _POSTGRES) if version[1] >= 18 else (_POSTGRES, _POSTGRES_BEFORE_18)
    return (wrong, right) if wrong in targets and right not in targets else None
