"""Frozen values of the Engine API: no library type and no raw JSON leaves this package."""

from __future__ import annotations

import time
from dataclasses import field
from typing import TYPE_CHECKING, Literal, NamedTuple

from ftl.common.command_result import CommandResult
from ftl.common.figures import utc_time
from ftl.common.json_fields import as_object, as_str_map
from ftl.dataclass import dataclass
from ftl.engine import labels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Store = Literal["overlay2", "containerd"]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Version, platform and storage of an engine.

    Attributes:
        version: "20.10.24", without a distribution's suffix.
        api: The API version in use: the older of OUR_API and the engine's.
        platform: "linux/amd64".
        store: Storage of images; "overlay2" stands for every graph driver.
        root: The engine's data directory on its machine.
        kernel: "6.1.0-18-amd64", from uname on its machine; empty where unknown.
        id: Unique to the engine. It is kept in a file that only root can read, so only users of the engine know it.
        memory: Bytes of its machine; 0 where unknown.
        clock_ahead: Seconds that its machine's clock is ahead of this machine's.
        node: Its ID in its Swarm; empty where it is in none.
        has_leader: Whether it is one, and the Swarm has a leader that it reaches.
        times_begun: Number of times that FTL began that Swarm (`convert.cluster_times_begun`).
    """

    version: str
    api: str
    platform: str
    store: Store
    root: str
    kernel: str = ""
    id: str = ""
    memory: int = 0
    clock_ahead: float = field(default=0.0, compare=False)  # differs from one answer to the next
    node: str = ""
    is_manager: bool = False
    has_leader: bool = False
    times_begun: int = 0

    @property
    def now(self) -> float:
        """Unix time by its machine's clock, which all that is stored there is dated by.

        Several machines deploy to it, and their clocks may differ by days.
        """
        return self.time_of(time.time())

    @property
    def moment(self) -> datetime:
        """The time `now`, in UTC."""
        return utc_time(self.now)

    def time_of(self, here: float) -> float:
        """The Unix time by its machine's clock at a time of this machine's."""
        return here + self.clock_ahead


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file that was read from a container, `modified` by the clock of who wrote it."""

    content: bytes = field(repr=False)
    modified: float = 0.0


@dataclass(frozen=True, slots=True)
class Image:
    """An image on an engine (inspect).

    Attributes:
        id: Image ID: config digest on overlay2, manifest digest on the containerd store.
        layers: diffIDs, lowest first.
        config: Docker's `Config` object, unchanged (Env, Cmd, Labels, ...).
        platform: "linux/arm64/v8".
        created: RFC 3339, from the engine; empty where unknown.
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
        """Paths that its Dockerfile declares as VOLUME, sorted; only known for an inspected image."""
        volumes = self.config.get("Volumes")
        return tuple(sorted(as_object(volumes)))


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Reclaimable disk space of an engine, in bytes.

    `unused_images` is a lower bound for images without a container: layers that they share are not counted.
    """

    unused_images: int
    build_cache: int
    layers: int = 0


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """A record of an engine's build cache.

    Attributes:
        kind: "regular" for the result of a step.
        created: Unix time.
        shared: Whether it is a layer of an image.
    """

    id: str
    kind: str
    created: float
    shared: bool


@dataclass(frozen=True, slots=True)
class PushUpdate:
    """A line of a push's progress; `digest` is that of the image, once it is known."""

    status: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's endpoint in one network.

    The network has the name `network` when the container is connected; `network_id` identifies it.
    """

    network: str
    address: str
    aliases: tuple[str, ...] = ()
    network_id: str = ""


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A published port of a running container; `host_port` is 0 where it is not (yet) bound."""

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
    """A container in the engine's list (one call for all).

    FTL gives a role to each that it makes. The label of a project alone is inherited: FTL's builds give it to images,
    and so it is on what somebody runs by hand from one, or from one that was built from it. `constraints` are those of
    the Swarm service that it is a replica of.
    """

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
    constraints: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """The purpose for which FTL made it; empty where FTL did not make it."""
        return self.labels.get(labels.ROLE, "")

    @property
    def project(self) -> str:
        """The project for which FTL made it; empty where it is of none, or FTL did not make it."""
        return self.labels.get(labels.PROJECT, "") if self.role else ""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """State of a container (inspect), including the reason why it ended.

    Attributes:
        health: Result of Docker's health check: "", "starting", "healthy", "unhealthy".
        check_seconds: How long that check may take to pass, by its settings.
        started: RFC 3339, from the engine.
        finished: Likewise; year 1 where it never ended.
        restart_policy: As in `ContainerSpec.restart`; empty where the engine does not say.
        sandbox: ID of its network namespace.
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
    check_seconds: float = 0.0
    finished: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    restart_policy: str = ""
    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """Use of the machine by a running container, up to a moment.

    Attributes:
        seconds: The moment: Unix time by the machine's clock.
        memory: Bytes, without the file cache that can be dropped.
        memory_limit: Bytes; the engine says the machine's memory where the container has no limit. None: it has none.
    """

    seconds: float
    cpu_seconds: float
    memory: int
    memory_limit: int | None


@dataclass(frozen=True, slots=True)
class Network:
    """A network with its subnets (CIDR)."""

    id: str
    name: str
    labels: Mapping[str, str]
    subnets: tuple[str, ...]
    internal: bool
    driver: str = "bridge"


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ExecResult(CommandResult):
    """Exit status and output of a command that ran in a container."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class LogLine(NamedTuple):
    """A line of a log, its time in RFC 3339 with nanoseconds; empty if not requested.

    A tuple, as a log of 10,000 lines a second is followed.
    """

    stream: Literal["stdout", "stderr"]
    time: str
    text: str
