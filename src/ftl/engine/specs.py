"""Settings of containers to create."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.values import Mount


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish the container's port on the machine's `address:host_port`."""

    container_port: int
    host_port: int
    address: str = ""
    protocol: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A ulimit."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """Docker's health check, times in seconds. `test` is in Docker's form: ("CMD-SHELL", "...")."""

    test: tuple[str, ...]
    interval: float
    timeout: float
    retries: int
    start_period: float


@dataclass(frozen=True, slots=True)
class ContainerFile:
    """A file in a container: its absolute path, content, permissions and owner."""

    path: str
    content: str
    mode: int
    user: int
    group: int


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """Settings of a container to create. Env is sent in the request body only.

    Attributes:
        command: Docker's Cmd; None keeps the image's.
        entrypoint: Docker's Entrypoint; None keeps the image's.
        networks: Network name -> aliases there. The container is created in the first one.
        stop_timeout: Seconds between the stop signal and SIGKILL.
        dns_options: Options of the container's resolver ("ndots:1").
        sysctls: Kernel settings of the container's network namespace.
        once: For a command that runs once: the engine removes the container at its end. With "pipes" and "terminal", a
            client is attached to it; then its output is not logged.
        restart: Docker's restart policy; `on-failure:3` has a limit. Only "always" makes containers run again after
            `kill -9` of dockerd, which ends its containers too: those with "unless-stopped" stayed `Exited (0)` for
            ever (20.10 and 26.1). A container that is stopped on purpose gets "no" first.
        needs_paths: Paths of the machine that it mounts must exist, at its creation and at each start; the engine would
            create missing ones.
        files: Written into the container before it starts.
        settings: Further fields of the API's request: "User", "HostConfig.Memory".
    """

    image: str
    labels: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    publish: tuple[Publish, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    healthcheck: Healthcheck | None = None
    restart: str = "always"
    stop_timeout: float | None = None
    dns_options: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    once: Literal["", "detached", "pipes", "terminal"] = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    files: tuple[ContainerFile, ...] = ()
    needs_paths: bool = False
