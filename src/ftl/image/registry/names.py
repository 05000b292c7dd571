"""Names of registries: in image references, in Docker's config file, and for display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common import references

if TYPE_CHECKING:
    from ftl.config.models.project import Project

HUB = "https://index.docker.io/v1/"
"""Docker Hub's key in Docker's config file."""


def registry_of(reference: str) -> str:
    """Return the registry of an image reference, as its key in Docker's config file."""
    return config_key(references.registry(reference))


def config_key(host: str) -> str:
    """Return the key of a registry's host in Docker's config file."""
    return HUB if host in (references.HUB, "index.docker.io") else host


def display_name(registry: str) -> str:
    """Return the name of a registry (a key in Docker's config file) for messages."""
    return "Docker Hub" if registry == HUB else registry


def login_command(registry: str) -> str:
    """Return the command that stores a login to a registry in Docker's configuration."""
    return "`docker login`" if registry == HUB else f"`docker login {registry}`"


def push_registries(project: Project) -> tuple[str, ...]:
    """Return the registries that a project pushes to, as keys in Docker's config file."""
    registries = (
        registry_of(service.image)
        for service in project.services
        if service.build is not None and service.image
    )
    return tuple(dict.fromkeys(registries))


def insecure_registries(project: Project) -> tuple[str, ...]:
    """Return the registries marked insecure in ftl.yaml, for the server's daemon.json."""
    return tuple(registry.server for registry in project.registries if registry.insecure)
