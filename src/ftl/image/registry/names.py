"""What registries are called: in references, in docker's config file, by people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl import references

if TYPE_CHECKING:
    from ftl.config import Project

HUB = "https://index.docker.io/v1/"
"""Docker Hub's name in docker's config file."""


def registry_of(reference: str) -> str:
    """The registry that a reference names, as docker's config file calls it."""
    return config_key(references.registry(reference))


def config_key(host: str) -> str:
    """A registry's host as docker's config file calls it."""
    return HUB if host in (references.HUB, "index.docker.io") else host


def display_name(registry: str) -> str:
    """A registry as people call it."""
    return "Docker Hub" if registry == HUB else registry


def login_command(registry: str) -> str:
    """What makes docker remember credentials on this machine."""
    return "`docker login`" if registry == HUB else f"`docker login {registry}`"


def push_registries(project: Project) -> tuple[str, ...]:
    """The registries that a project pushes to, as docker's config file calls them: these ask for credentials."""
    named = (registry_of(one.image) for one in project.services if one.build is not None and one.image)
    return tuple(dict.fromkeys(named))


def insecure_registries(project: Project) -> tuple[str, ...]:
    """The registries that ftl.yaml names insecure: for `insecure-registries` of a server's daemon.json."""
    return tuple(one.server for one in project.registries if one.insecure)
