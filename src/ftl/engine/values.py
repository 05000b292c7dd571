"""What an engine tells us, as frozen values: no library type and no raw JSON crosses this border."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ftl.json_fields import as_object, as_str_map

if TYPE_CHECKING:
    from collections.abc import Mapping

Store = Literal["overlay2", "containerd"]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Which engine this is.

    Attributes:
        version: "20.10.24", as the engine writes it without a distribution's suffix.
        api: The version of the API that is spoken, min(ours, the engine's).
        platform: "linux/amd64".
        store: Where images live; "overlay2" stands for every graph driver.
        root: The engine's data directory on its machine.
        kernel: "6.1.0-18-amd64", as its machine's uname has it; empty where the engine does not say.
        id: Unique to the engine. It is kept in a file of root's, so only users of the engine know it.
    """

    version: str
    api: str
    platform: str
    store: Store
    root: str
    kernel: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image as the engine holds it (inspect).

    Attributes:
        id: Image ID: config digest on overlay2, manifest digest on the containerd store.
        layers: diffIDs, lowest first.
        config: Docker's `Config` object, as the engine writes it (Env, Cmd, Labels, ...).
        platform: "linux/arm64/v8".
        digests: `RepoDigests`.
        created: RFC 3339, as the engine writes it; empty where unknown.
    """

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    layers: tuple[str, ...]
    config: Mapping[str, object]
    platform: str
    size: int
    created: str = ""

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the image."""
        labels = self.config.get("Labels")
        return as_str_map(labels)

    @property
    def declared_volumes(self) -> tuple[str, ...]:
        """Paths that its Dockerfile declares as VOLUME, sorted; only known of an inspected image."""
        volumes = self.config.get("Volumes")
        return tuple(sorted(as_object(volumes)))


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """What an engine holds and nothing uses, in bytes.

    Attributes:
        unused_images: Of images without a container; at least so much, since what they share is not counted.
        build_cache: Of the builder's cache that no build uses now.
    """

    unused_images: int
    build_cache: int


@dataclass(frozen=True, slots=True)
class PushUpdate:
    """A line of a push's progress; `digest` is what was pushed, once that is known."""

    status: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place in one network.

    Attributes:
        network: The name it had when the container joined; `network_id` tells whether it is still that one.
    """

    network: str
    address: str
    aliases: tuple[str, ...] = ()
    network_id: str = ""


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the container that the machine listens on; `host_port` 0 where it is not (yet) bound."""

    container_port: int
    protocol: str
    host_address: str
    host_port: int


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume or a path of the machine at `target` in the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine lists it (one call for all)."""

    id: str
    name: str
    image: str
    image_id: str
    labels: Mapping[str, str]
    state: Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
    status: str
    created: int
    endpoints: tuple[Endpoint, ...] = ()
    published: tuple[PublishedPort, ...] = ()
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container's state in full (inspect): why it ended, if it did.

    Attributes:
        health: Docker's own health check: "", "starting", "healthy", "unhealthy".
        health_log: The last output of that check.
        started: RFC 3339 as the engine writes it.
    """

    id: str
    name: str
    running: bool
    restarting: bool
    exit_code: int
    oom_killed: bool
    error: str
    health: str
    health_log: str
    started: str
    pid: int
    restarts: int
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A network with its subnets (CIDR)."""

    id: str
    name: str
    labels: Mapping[str, str]
    subnets: tuple[str, ...]
    internal: bool


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Publish:
    """Listen on the machine's `address:host_port` for the container's port."""

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
    """Docker's own health check; durations are seconds. `test` is Docker's form: ("CMD-SHELL", "...")."""

    test: tuple[str, ...]
    interval: float
    timeout: float
    retries: int
    start_period: float


RestartPolicy = Literal["no", "always", "unless-stopped"]
"""When the engine starts a container again by itself.

"always" is what runs on after `kill -9` of dockerd, which ends its containers too: those with "unless-stopped" stayed
`Exited (0)` for ever (20.10 and 26.1). A container that is stopped on purpose gets "no" first.
"""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """All that is said when a container is created. Env travels in the request body only.

    Attributes:
        command: Docker's Cmd; None keeps the image's.
        entrypoint: Docker's Entrypoint; None keeps the image's.
        networks: Network name -> aliases there. The first is the one it is created in.
        stop_timeout: Seconds between the stop signal and SIGKILL.
        dns_options: Lines for the container's resolver ("ndots:1").
        sysctls: Settings of the kernel for the container's own network namespace.
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
    restart: RestartPolicy = "always"
    stop_timeout: float | None = None
    dns_options: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command run inside a container left behind."""

    exit_code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log. `time` is the engine's RFC 3339 with nanoseconds, empty when not asked for."""

    stream: Literal["stdout", "stderr"]
    time: str
    text: str
