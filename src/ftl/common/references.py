"""Image references by Docker's grammar: [REGISTRY/]REPOSITORY[:TAG][@DIGEST]."""

from __future__ import annotations

import re

HUB = "docker.io"
"""The registry of references without one."""

# The first part is a registry's host when it looks like one (distribution/reference, splitDockerDomain).
_REGISTRY = re.compile(r"(?P<host>[^/]*[.:][^/]*|localhost)/")


def registry(reference: str) -> str:
    """Host of the registry: "docker.io" for `postgres:16`."""
    match = _REGISTRY.match(reference)
    return match["host"] if match is not None else HUB


def split(reference: str) -> tuple[str, str]:
    """Repository with its registry, as written, and tag: "latest" if it has none."""
    named = reference.partition("@")[0]
    name, colon, tag = named.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (named, "latest")  # a registry's port is not a tag


def repository(reference: str) -> str:
    """Reference without tag and digest: "localhost:5000/web:r1" -> "localhost:5000/web"."""
    return split(reference)[0]


def qualified(reference: str) -> str:
    """Reference with an explicit registry: `postgres:16` -> `docker.io/library/postgres:16`."""
    if _REGISTRY.match(reference):
        return reference
    return f"{HUB}/{reference}" if "/" in reference else f"{HUB}/library/{reference}"


def familiar(reference: str) -> str:
    """Shortest form, as the engine lists tags.

    Without the default registry and namespace, and with a tag.
    """
    name = reference.removeprefix(f"{HUB}/").removeprefix("library/")
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:latest"


def as_listed(reference: str) -> str:
    """Form in which an engine lists a reference: `familiar`, without a tag in front of a digest."""
    name, at, digest = reference.partition("@")
    return familiar(f"{repository(name)}@{digest}" if at else reference)


def pull_reference(image: str) -> str:
    """Digest reference that a container's image was pulled by; empty without a digest."""
    name, at, digest = image.partition("@")
    return f"{repository(name)}@{digest}" if at else ""


def configured_reference(image: str) -> str:
    """Image of a container as ftl.yaml names it, without the digest that a pull added."""
    name, _, digest = image.partition("@")
    return name if digest and ":" in name.rpartition("/")[2] else image
