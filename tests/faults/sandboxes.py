"""Sandboxes of this machine's engine, by their names."""

from __future__ import annotations

from lab.server import docker

_LISTS = (
    ("container", "ls", "--all", "--format", "{{.Names}}"),
    ("volume", "ls", "--format", "{{.Name}}"),
    ("network", "ls", "--format", "{{.Name}}"),
)
"""How each kind of object is listed, in the order in which they can be removed."""


def sandbox_objects(name: str) -> list[tuple[str, str]]:
    """Kind and name of each object of a sandbox, and of its further servers."""
    found = []
    for kind, *argv in _LISTS:
        listed = docker(kind, *argv, "--filter", f"name=ftl-sandbox-{name}").stdout.decode().split()
        found += [(kind, each) for each in sorted(listed)]
    return found


def remove_sandbox(name: str) -> None:
    """Remove what a sandbox has left."""
    for kind, each in sandbox_objects(name):
        docker(kind, "rm", "--force", each)
