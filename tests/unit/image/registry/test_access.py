"""Images that a server pulls, by registry."""

from __future__ import annotations

from ftl.config.models.project import Dependency, Project, ProjectInfo, Proxy, Server, Service
from ftl.image.registry.access import pulled_images
from ftl.image.registry.names import HUB


def test_pulled_images_are_grouped_by_registry() -> None:
    """Each image is listed once; Docker Hub's official images are left out, because they are public."""
    project = Project(
        project=ProjectInfo(name="shop"),
        server=Server(host="x"),
        services=(Service(name="a", image="ghcr.io/shop/a:1"), Service(name="b", image="ghcr.io/shop/a:1")),
        dependencies=(
            Dependency(name="db", image="postgres:16"),
            Dependency(name="cache", image="docker.io/library/redis"),
            Dependency(name="search", image="shop/search:2"),
            Dependency(name="queue", image="ghcr.io/shop/queue:3"),
        ),
        proxy=Proxy(image="mirror.example.com:5000/caddy:2"),
    )
    assert pulled_images(project) == {
        "ghcr.io": ("ghcr.io/shop/a:1", "ghcr.io/shop/queue:3"),
        HUB: ("shop/search:2",),
        "mirror.example.com:5000": ("mirror.example.com:5000/caddy:2",),
    }
