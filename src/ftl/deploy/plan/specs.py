"""Project -> the containers it asks for: pure, and the same for planning, starting and recording."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from ftl.engine import ContainerSpec, Healthcheck, Limit, Mount, Publish, labels
from ftl.proxy import project_network, release_alias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.config import Container as ContainerSection
    from ftl.config import Dependency, Project, Service, VolumeMount
    from ftl.engine import Container


_UNSAID = asdict(ContainerSpec(image="", labels={}))
"""A spec that says nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A container as the project asks for it, before it is known which release starts it.

    Attributes:
        spec: What the engine is told, without the parts that name a release.
        config: A hash of `spec` and the port: a running container with another one has to be replaced.
    """

    name: str
    spec: ContainerSpec
    config: str


def service_container(project: Project, service: Service) -> Wanted:
    """What a service's containers look like, whatever the release."""
    spec = ContainerSpec(
        image="",
        labels={},
        env=dict(service.env),
        command=_words(service.command),
        entrypoint=_words(service.entrypoint),
        mounts=_mounts(project.name, service.mounts),
        publish=tuple(
            Publish(one.container_port, one.host_port, one.address.strip("[]"), one.protocol)
            for one in service.published
        ),
        ulimits=_limits(service.container),
        healthcheck=_healthcheck(service.container),
        stop_timeout=service.stop_timeout,
    )
    return Wanted(service.name, spec, fingerprint(spec, port=service.port))


def dependency_container(project: Project, dependency: Dependency) -> Wanted:
    """What a dependency's container looks like; its ports are published on the server's loopback alone."""
    spec = ContainerSpec(
        image=dependency.image,
        labels={},
        env=dict(dependency.env),
        mounts=_mounts(project.name, dependency.mounts),
        publish=tuple(Publish(port, 0, "127.0.0.1") for port in dependency.ports),
        ulimits=_limits(dependency.container),
        healthcheck=_healthcheck(dependency.container),
        networks={project_network(project.name): (dependency.name,)},
    )
    config = fingerprint(spec)
    marks = {
        labels.PROJECT: project.name,
        labels.SERVICE: dependency.name,
        labels.ROLE: labels.ROLE_DEPENDENCY,
        labels.CONFIG: config,
    }
    return Wanted(dependency.name, replace(spec, labels=marks), config)


def release_spec(project: str, wanted: Wanted, *, release: str, image: str, content: str) -> ContainerSpec:
    """A service's container as one release starts it: its image, its labels, its alias in the network."""
    return replace(
        wanted.spec,
        image=image,
        labels={
            labels.PROJECT: project,
            labels.SERVICE: wanted.name,
            labels.RELEASE: release,
            labels.ROLE: labels.ROLE_SERVICE,
            labels.CONFIG: wanted.config,
            labels.CONTENT: content,
        },
        networks={project_network(project): (release_alias(project, wanted.name, release),)},
    )


def hook_spec(project: str, wanted: Wanted, *, release: str, image: str, command: str) -> ContainerSpec:
    """A container of the new image that runs one command and ends: same env, volumes and network, no ports."""
    return replace(
        wanted.spec,
        image=image,
        entrypoint=("/bin/sh", "-c"),
        command=(command,),
        publish=(),
        healthcheck=None,
        restart="no",
        labels={
            labels.PROJECT: project,
            labels.SERVICE: wanted.name,
            labels.RELEASE: release,
            labels.ROLE: labels.ROLE_HOOK,
        },
        networks={project_network(project): ()},
    )


def container_names(project: str, service: str, release: str, replicas: int) -> tuple[str, ...]:
    """PROJECT-SERVICE-RELEASE, numbered from 1 where there are several."""
    stem = f"{project}-{service}-{release}"
    return (stem,) if replicas == 1 else tuple(f"{stem}-{number}" for number in range(1, replicas + 1))


def aside(container: str) -> str:
    """What a dependency that is being replaced is called until the release is decided."""
    return f"{container}-old"


def is_aside(container: Container) -> bool:
    """Whether a dependency's container is one that was set aside."""
    project, name = container.labels[labels.PROJECT], container.labels[labels.SERVICE]
    return container.name == aside(f"{project}-{name}")


def volume_name(project: str, volume: str) -> str:
    """A project's named volume as the engine knows it."""
    return f"{project}_{volume}"


def _mounts(project: str, mounts: Iterable[VolumeMount]) -> tuple[Mount, ...]:
    return tuple(
        Mount(volume_name(project, one.source) if one.is_named else one.source, one.target, one.read_only)
        for one in mounts
    )


def fingerprint(spec: ContainerSpec, *, port: int | None = None) -> str:
    """A hash of all that is said to the engine; equal specs have equal ones on every machine.

    What is left at its default is not said, so that an FTL that knows more settings replaces no container.

    Args:
        spec: What the engine is told.
        port: Where requests go. The engine is not told, but a container that was never healthy at this port
            must prove itself before requests are sent there: moving the routes alone would lose them all.
    """
    told = {name: value for name, value in asdict(spec).items() if value != _UNSAID[name]}
    told |= {} if port is None else {"port": port}
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _words(command: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
    if command is None or isinstance(command, tuple):
        return command
    return tuple(shlex.split(command))


def _limits(section: ContainerSection) -> tuple[Limit, ...]:
    return tuple(Limit(limit.name, limit.soft, limit.hard) for limit in section.ulimits)


def _healthcheck(section: ContainerSection) -> Healthcheck | None:
    check = section.health_check
    if check is None:
        return None
    test = ("CMD-SHELL", check.cmd) if isinstance(check.cmd, str) else ("CMD", *check.cmd)
    return Healthcheck(test, check.interval, check.timeout, check.retries, check.start_period)
