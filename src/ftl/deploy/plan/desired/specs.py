"""Desired container specs of a project. Pure."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ftl.databases import official
from ftl.dataclass import dataclass
from ftl.deploy.names import network_of, volume_name
from ftl.deploy.plan.desired.settings import container_files, engine_settings
from ftl.deploy.replicas import aliases
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec, Healthcheck, Publish, Ulimit
from ftl.engine.values import Mount
from ftl.proxy.names import networks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.config.models.project import ContainerOptions, Dependency, Project, Service
    from ftl.config.values.bindings import VolumeMount


DEFAULT_SPEC = asdict(ContainerSpec(image="", labels={}))
"""All settings at their defaults, which a spec leaves out."""


@dataclass(frozen=True, slots=True)
class DesiredContainer:
    """A container as the project asks for it, whatever release starts it.

    Attributes:
        spec: Its settings, without image, labels and alias of a release.
        config: Hash of `spec` and the port: a running container with another one has to be replaced.
        network: The project's network, in which it is.
    """

    name: str
    spec: ContainerSpec
    config: str
    network: str


def _common_spec(project: Project, unit: Service | Dependency) -> ContainerSpec:
    """Settings that services and dependencies have in common; without image, ports and network."""
    return ContainerSpec(
        image="",
        labels=dict(unit.labels),
        env=dict(unit.env),
        command=command_words(unit.command),
        entrypoint=command_words(unit.entrypoint),
        mounts=_mounts(project.name, unit.mounts),
        ulimits=_limits(unit.container),
        healthcheck=_healthcheck(unit.container),
        restart=unit.restart,
        settings=engine_settings(unit),
        files=container_files(unit),
    )


def service_container(project: Project, service: Service) -> DesiredContainer:
    """The desired container of a service."""
    network = network_of(project)
    spec = replace(
        _common_spec(project, service),
        publish=tuple(
            Publish(forward.container_port, forward.host_port, forward.address.strip("[]"), forward.protocol)
            for forward in service.published
        ),
        stop_timeout=service.stop_timeout,
        # The name of others leads to the proxy.
        networks={network: (service.name,)} if service.protocol == "tcp" else {},
    )
    return DesiredContainer(service.name, spec, fingerprint(spec, port=service.port), network)


def changes_network_only(project: Project, dependency: Dependency, config: str) -> bool:
    """Whether a container, by its hash, differs from the desired one by the network alone.

    One server has another than several.
    """
    others = set(networks_of(project.name)) - {network_of(project)}
    return any(fingerprint(_dependency_spec(project, dependency, network)) == config for network in others)


def _dependency_spec(project: Project, dependency: Dependency, network: str) -> ContainerSpec:
    return replace(
        _common_spec(project, dependency),
        image=dependency.image,
        publish=tuple(Publish(port, 0, "127.0.0.1") for port in dependency.ports),
        networks={network: (dependency.name,)},
    )


def dependency_container(project: Project, dependency: Dependency) -> DesiredContainer:
    """Desired container of a dependency; its ports are published on loopback only."""
    spec = _dependency_spec(project, dependency, network_of(project))
    config = fingerprint(spec)
    database = official(dependency.image)
    if database is not None:  # after the fingerprint: it replaces no container that was started without it
        spec = replace(spec, env={**database.default_env, **spec.env})
    own_labels = {
        **dependency.labels,
        labels.PROJECT: project.name,
        labels.SERVICE: dependency.name,
        labels.ROLE: labels.ROLE_DEPENDENCY,
        labels.CONFIG: config,
    }
    return DesiredContainer(
        dependency.name, replace(spec, image="", labels=own_labels), config, network_of(project)
    )


def release_spec(
    project: str,
    desired: DesiredContainer,
    *,
    release: str,
    content: str,
    generation: int = 1,
    added: bool = False,
    joined: str = "",
) -> ContainerSpec:
    """A service's container as one release starts it: its labels, its alias in the network.

    Generations count from 1. One that is `added` joins others that are live already; one that is `joined` belongs to
    sets of an earlier generation, too (`joined_mark`).
    """
    label_map = {
        **desired.spec.labels,
        labels.PROJECT: project,
        labels.SERVICE: desired.name,
        labels.RELEASE: release,
        labels.ROLE: labels.ROLE_SERVICE,
        labels.CONFIG: desired.config,
        labels.CONTENT: content,
        **({labels.GENERATION: str(generation)} if generation > 1 else {}),
        **({labels.ADDED: "true"} if added else {}),
        **({labels.JOINED: joined} if joined else {}),
    }
    own = desired.spec.networks.get(desired.network, ())
    return replace(desired.spec, labels=label_map, networks={desired.network: (*own, *aliases(label_map))})


def replica_spec(spec: ContainerSpec, number: int) -> ContainerSpec:
    """One replica of a release: its number, and the aliases of the sets that it belongs to."""
    label_map = {**spec.labels, labels.REPLICA: str(number)}
    name = label_map[labels.SERVICE]
    networks = {
        network: (*((name,) if name in names else ()), *aliases(label_map))
        for network, names in spec.networks.items()
    }
    return replace(spec, labels=label_map, networks=networks)


def created_spec(spec: ContainerSpec, *, proven: bool = False) -> ContainerSpec:
    """A container as it is created: its restart policy is that of ftl.yaml once it is healthy.

    Until then an exit keeps its code and its log, and nothing that never was live comes back after a crash of the
    engine. One that is `proven` has the policy at once: others like it are live, or nothing waits for its health.
    """
    label_map = {**spec.labels, labels.RESTART: spec.restart}
    return replace(spec, labels=label_map, restart=spec.restart if proven else "no")


def release_variables(service: str, *, release: str, commit: str | None, environment: str) -> dict[str, str]:
    """Variables about the release, for hooks and for commands of `ftl run`."""
    return {
        "FTL_RELEASE": release,
        "FTL_COMMIT": commit or "",
        "FTL_ENV": environment,
        "FTL_SERVICE": service,
    }


def task_spec(network: str, base: ContainerSpec, task_labels: Mapping[str, str]) -> ContainerSpec:
    """Container of a command that ends: a service's env and volumes, no name in the network.

    Of the service, ports, health check and restart policy are left out; the labels are all that it has.
    """
    return replace(
        base,
        publish=(),
        healthcheck=None,
        restart="no",
        labels=dict(task_labels),
        networks={network: ()},
    )


def release_task(
    project: str, desired: DesiredContainer, role: str, *, release: str, variables: Mapping[str, str]
) -> ContainerSpec:
    """Container of a hook, or of `ftl run`: a task of one release."""
    label_map = {
        labels.PROJECT: project,
        labels.SERVICE: desired.name,
        labels.RELEASE: release,
        labels.ROLE: role,
    }
    return replace(task_spec(desired.network, desired.spec, label_map), env={**desired.spec.env, **variables})


def hook_command(command: str | tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entrypoint and command of a hook: a text is for a shell, a list is run as it is."""
    argv = ("/bin/sh", "-c", command) if isinstance(command, str) else command
    words = 2 if isinstance(command, str) else 1
    return argv[:words], argv[words:]


def _mounts(project: str, mounts: Iterable[VolumeMount]) -> tuple[Mount, ...]:
    return tuple(
        Mount(
            volume_name(project, mount.source) if mount.is_named else mount.source,
            mount.target,
            mount.read_only,
        )
        for mount in mounts
    )


def fingerprint(spec: ContainerSpec, *, port: int | None = None) -> str:
    """Hash of a container's settings; equal specs have equal hashes on every machine.

    Settings at their defaults are left out, so that an FTL that knows more settings replaces no container. The engine
    does not get the port, where requests go. But a container that was never healthy at this port must prove itself
    before requests are sent there: moving the routes alone would lose them all.
    """
    settings = {name: value for name, value in asdict(spec).items() if value != DEFAULT_SPEC[name]}
    settings |= {} if port is None else {"port": port}
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def command_words(command: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
    """A command of ftl.yaml as the engine takes it."""
    if command is None or isinstance(command, tuple):
        return command
    return tuple(shlex.split(command))


def _limits(section: ContainerOptions) -> tuple[Ulimit, ...]:
    return tuple(Ulimit(limit.name, limit.soft, limit.hard) for limit in section.ulimits)


def _healthcheck(section: ContainerOptions) -> Healthcheck | None:
    check = section.health_check
    if check is None:
        return None
    test = ("CMD-SHELL", check.cmd) if isinstance(check.cmd, str) else ("CMD", *check.cmd)
    return Healthcheck(test, check.interval, check.timeout, check.retries, check.start_period)
