"""URLs of a project's routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.config.models.project import Project


def urls(project: Project) -> tuple[str, ...]:
    """URLs of the project's routes."""
    scheme = "http" if project.proxy.tls == "off" else "https"
    addresses = {
        f"{scheme}://{route.host or project.project.domain}{'' if route.path == '/' else route.path}"
        for service in project.services
        for route in service.routes
    }
    return tuple(sorted(addresses))
