"""Health specs: how FTL checks one container, derived from ftl.yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.config.models.project import ContainerOptions, Dependency, Project, Service
    from ftl.engine.values import ContainerState

SETTLE_SECONDS = 3.5
"""Seconds that a new container must keep running to count as healthy.

Like Kubernetes' minReadySeconds and Swarm's update-monitor. Many programs that cannot work (a wrong password, a schema
that is missing) answer first and exit a moment later. One that answers HTTP gets requests before that, and the old
release gets them back if it exits (docs/decisions/0026-settling-behind-the-switch.md).
"""

DEPENDENCY_RETRIES = 120
"""Probes of a dependency, one a second: a database initialises its data on its first start."""


@dataclass(frozen=True, slots=True)
class HealthSpec:
    """Health check of one container. Times are seconds.

    Attributes:
        ports: All of them must accept connections; without any, the container must keep running.
        path: GET this on the first port and expect 2xx; None: an accepted connection is enough, and where requests
            may come early, any answer to `GET /`.
        host: The Host header of that request.
        https: Send `X-Forwarded-Proto: https`, as the proxy will.
        interval: The longest pause between two probes.
        timeout: Limit of one probe.
        retries: Times `interval`, how long the wait may last after `start_period`.
        docker_check: Extra seconds for Docker's own health check, where ftl.yaml sets one; None where it does not.
        image_check: Whether a HEALTHCHECK of the image must pass, too.
        settle: How long it must keep running.
        early: Whether it may get requests before that, once it answers HTTP: with 2xx at `path`, or without a path
            with anything but a server error at `/`.
    """

    ports: tuple[int, ...] = ()
    path: str | None = None
    host: str = "localhost"
    https: bool = False
    interval: float = 1.0
    timeout: float = 5.0
    retries: int = 30
    start_period: float = 0.0
    docker_check: float | None = None
    image_check: bool = False
    settle: float = SETTLE_SECONDS
    early: bool = False

    @property
    def allowance(self) -> float:
        """Seconds after which a container that is still unhealthy fails the deploy."""
        return self.start_period + self.interval * self.retries + (self.docker_check or 0.0)

    def allowance_of(self, state: ContainerState) -> float:
        """The allowance of one container, which its image's HEALTHCHECK may prolong."""
        return self.allowance + (
            state.check_seconds if self.image_check and self.docker_check is None else 0.0
        )

    @property
    def needs_docker_check(self) -> bool:
        """Whether Docker's own health check must pass, if there is one."""
        return self.docker_check is not None or self.image_check

    @property
    def needs_answer(self) -> bool:
        """Whether it must answer `GET /`, with anything: it is new, speaks HTTP, has no path."""
        return self.early and self.path is None and self.settle > 0

    def __str__(self) -> str:
        if self.path is not None:
            return f"GET :{self.ports[0]}{self.path}"
        if self.ports:
            return "port " + ", ".join(map(str, self.ports))
        return "keeps running"


def service_health(project: Project, service: Service) -> HealthSpec:
    """The spec for a service's containers: the request that its visitors will send."""
    docker_check = _docker_check_seconds(service.container)
    if service.port is None:
        return HealthSpec(docker_check=docker_check)
    spec = HealthSpec(
        ports=(service.port,),
        host=_public_host(project, service),
        https=bool(service.routes) and project.proxy.tls != "off",
        docker_check=docker_check,
        early=service.proxied_port is not None,
    )
    configured = service.health_check
    if configured is None:
        return spec
    return replace(
        spec,
        path=configured.path,
        interval=configured.interval,
        timeout=configured.timeout,
        retries=configured.retries,
        start_period=configured.start_period,
    )


def dependency_health(dependency: Dependency) -> HealthSpec:
    """The spec for a dependency: all ports accept connections, Docker's checks pass."""
    return HealthSpec(
        dependency.ports,
        retries=DEPENDENCY_RETRIES,
        docker_check=_docker_check_seconds(dependency.container),
        image_check=True,
        settle=0.0 if dependency.ports else SETTLE_SECONDS,
    )


def _public_host(project: Project, service: Service) -> str:
    """The host name that visitors use; a service without routes is called by its own name."""
    if not service.routes:
        return service.name
    by_route = next((route.host for route in service.routes if route.host), None)
    return by_route or project.project.domain or service.name


def _docker_check_seconds(section: ContainerOptions) -> float | None:
    """The longest that Docker's own check may take to pass; its first run comes when an interval is over."""
    check = section.health_check
    if check is None:
        return None
    return check.start_period + (check.interval + check.timeout) * (check.retries + 1)
