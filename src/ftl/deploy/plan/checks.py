"""ftl.yaml's health checks -> how a container's health is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.health.wait import Check

if TYPE_CHECKING:
    from ftl.config import Container, Dependency, Project, Service

DEPENDENCY_RETRIES = 120
"""A database that sets itself up on its first start gets so many seconds."""


def service_check(project: Project, service: Service) -> Check:
    """How a service's containers are asked: as its visitors will ask them."""
    inside = _inside(service.container)
    if service.port is None:
        return Check(inside=inside)
    routes = service.routes
    host = (
        next((route.host for route in routes if route.host), None) or project.project.domain or service.name
    )
    if not routes:
        host = service.name
    https = bool(routes) and project.proxy.tls != "off"
    check = service.health_check
    if check is None:
        return Check((service.port,), host=host, https=https, inside=inside)
    return Check(
        (service.port,),
        check.path,
        host,
        https,
        check.interval,
        check.timeout,
        check.retries,
        check.start_period,
        inside,
    )


def dependency_check(dependency: Dependency) -> Check:
    """A dependency is up when all its ports accept connections (and Docker's own check, if any, agrees)."""
    return Check(dependency.ports, retries=DEPENDENCY_RETRIES, inside=_inside(dependency.container))


def _inside(section: Container) -> float | None:
    """How long Docker's own check may take to pass, in seconds; Docker asks first when an interval is over."""
    check = section.health_check
    return (
        None if check is None else check.start_period + (check.interval + check.timeout) * (check.retries + 1)
    )
