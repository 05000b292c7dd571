"""Image references by Docker's grammar: [REGISTRY/]REPOSITORY[:TAG][@DIGEST]."""

from __future__ import annotations

import re

HUB = "docker.io"
"""The registry of references that name none."""

# The first part is a registry's host when it looks like one (distribution/reference, splitDockerDomain).
_REGISTRY = re.compile(r"(?P<host>[^/]*[.:][^/]*|localhost)/")


def registry(reference: str) -> str:
    """The registry's host: "docker.io" for `postgres:16`."""
    found = _REGISTRY.match(reference)
    return found["host"] if found is not None else HUB


def split(reference: str) -> tuple[str, str]:
    """The repository with its registry, as written, and the tag: "latest" where there is none."""
    named = reference.partition("@")[0]
    name, colon, tag = named.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (named, "latest")  # a registry's port is no tag


def repository(reference: str) -> str:
    """A reference without tag and digest: "localhost:5000/web:r1" -> "localhost:5000/web"."""
    return split(reference)[0]


def qualified(reference: str) -> str:
    """The reference with its registry spelled out: `postgres:16` is `docker.io/library/postgres:16`."""
    if _REGISTRY.match(reference):
        return reference
    return f"{HUB}/{reference}" if "/" in reference else f"{HUB}/library/{reference}"


def familiar(reference: str) -> str:
    """The shortest spelling, as the engine lists it: no default registry, no default namespace, with a tag."""
    name = reference.removeprefix(f"{HUB}/").removeprefix("library/")
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:latest"


def listed(reference: str) -> str:
    """How an engine lists what a reference stands for: `familiar`, and beside a digest a tag counts for nothing."""
    name, at, digest = reference.partition("@")
    return familiar(f"{repository(name)}@{digest}" if at else reference)
