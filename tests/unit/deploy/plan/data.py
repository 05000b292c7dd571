"""A database, and containers on its volume."""

from __future__ import annotations

from dataclasses import replace

from ftl.config.models.project import Dependency
from ftl.engine.values import Container, Mount

DB = Dependency(name="db", image="postgres:16", volumes=("data:/var/lib/postgresql/data",))


DATA = Mount("shop_data", "/var/lib/postgresql/data")


def with_volumes(found: Container, *sources: str) -> Container:
    """A container with these volumes."""
    return replace(found, mounts=tuple(Mount(f"shop_{source}", "/data") for source in sources))


def volumes(name: str, source: str) -> Dependency:
    """A dependency with one volume."""
    return Dependency(name=name, image="redis:7", volumes=(f"{source}:/data",))
