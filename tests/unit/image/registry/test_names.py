"""Names of registries, and the registries that a project uses."""

from __future__ import annotations

import pytest

from ftl.config.models.project import Build, Project, ProjectInfo, Registry, Server, Service
from ftl.image.registry.names import HUB, insecure_registries, push_registries, registry_of


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("postgres:16", HUB),
        ("me/app", HUB),
        ("docker.io/me/app:1", HUB),
        ("index.docker.io/me/app:1", HUB),
        ("registry.example.com/app:1", "registry.example.com"),
        ("localhost/app", "localhost"),
        ("localhost:5000/app:1", "localhost:5000"),
    ],
)
def test_the_registry_of_a_reference(reference: str, registry: str) -> None:
    """Docker's rule: the first part is a host if it has a dot or a port, or is localhost."""
    assert registry_of(reference) == registry


def project(*services: Service, registries: tuple[Registry, ...] = ()) -> Project:
    """A project of these services."""
    return Project(
        project=ProjectInfo(name="shop"), server=Server(host="x"), services=services, registries=registries
    )


def test_a_project_pushes_services_with_build_and_image() -> None:
    """Each registry is listed once; what is only pulled, or only built, is not pushed."""
    services = (
        Service(name="a", build=Build(), image="ghcr.io/shop/a"),
        Service(name="b", build=Build(), image="ghcr.io/shop/b"),
        Service(name="c", build=Build(), image="shop/c"),
        Service(name="d", image="quay.io/shop/d"),
        Service(name="e", build=Build()),
    )
    assert push_registries(project(*services)) == ("ghcr.io", HUB)


def test_insecure_registries_are_those_marked_in_ftl_yaml() -> None:
    """Other entries of `registries` are not."""
    registries = (Registry(server="10.0.0.5:5000", insecure=True), Registry(server="ghcr.io", token="t"))
    assert insecure_registries(project(registries=registries)) == ("10.0.0.5:5000",)
