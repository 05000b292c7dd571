"""ftl.yaml's health checks -> how a container's health is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.health import Check

if TYPE_CHECKING:
    from ftl.config import Project
    from ftl.config.models import Dependency, Service

DEPENDENCY_RETRIES = 120
"""A database that sets itself up on its first start gets so many seconds."""


def service_check(project: Project, service: Service) -> Check:
    """How a service's containers are asked: as its visitors will ask them."""
    if service.port is None:
        return Check()
    routes = service.routes
    host = (
        next((route.host for route in routes if route.host), None) or project.project.domain or service.name
    )
    if not routes:
        host = service.name
    https = bool(routes) and project.proxy.tls != "off"
    check = service.health_check
    if check is None:
        return Check((service.port,), host=host, https=https)
    return Check(
        (service.port,),
        check.path,
        host,
        https,
        check.interval,
        check.timeout,
        check.retries,
        check.start_period,
    )


def dependency_check(dependency: Dependency) -> Check:
    """A dependency is up when all its ports accept connections (and Docker's own check, if any, agrees)."""
    return Check(dependency.ports, retries=DEPENDENCY_RETRIES)
