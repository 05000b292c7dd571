"""Base classes of the steps of a plan."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RunsOn = Literal["named", "up", "proxies", "managers", "one manager", "issuer", "home", "placement", "sought"]
"""Servers of a cluster that a class of steps runs on.

- named: those that the planner gives it; without any, the first manager
- up: all that answer
- proxies, managers: all of these that answer
- one manager: the first of these
- issuer: the one whose proxy gets certificates
- home: the first in ftl.yaml, which has jobs and hooks
- placement: the one that the step's service or dependency runs on
- sought: as the class's own `at` finds them
"""

Live = Literal["", "changes", "repairs", "removes"]
"""Effect of a step on what the proxies serve, which servers that were away follow."""


@dataclass(frozen=True, slots=True)
class ContainerRef:
    """A container: acted on by `id`, shown by `name`.

    A name can belong to another container by the time a step runs (another project's, or one that somebody made by
    hand); an ID cannot.

    Attributes:
        id: Empty for a container that the plan itself creates: the engine gives the ID then.
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a plan, as data.

    Attributes:
        kind: Stable name in `--json` output and events. Part of the public contract; class names are not.
        runs_on: The servers of a cluster that it runs on.
        sentence: Its `text`, where `{0}` is the step; one that is put together otherwise has a `text` of its own.
        live: Its effect on what the proxies serve.
        together: Run once for all its servers, and not on each of them.
        hosts: Servers it runs on, by their names in the fleet; empty: the project's only server.
    """

    kind: ClassVar[str]
    runs_on: ClassVar[RunsOn]
    sentence: ClassVar[str] = ""
    live: ClassVar[Live] = ""
    together: ClassVar[bool] = False
    hosts: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def text(self) -> str:
        """Description for people, in the imperative."""
        return self.sentence.format(self)

    @property
    def located_text(self) -> str:
        """The description, with the servers of a cluster that it runs on."""
        return f"{self.text} {self.servers_text}" if self.hosts else self.text

    @property
    def servers_text(self) -> str:
        """The servers of a cluster that it runs on, in its description."""
        return f"on {', '.join(self.hosts)}"

    @property
    def subject(self) -> str | None:
        """The service or dependency it is about; None where it is about neither."""
        return None

    def at(self, cluster: Cluster) -> Iterable[Step]:
        """The step at its servers of a cluster; several steps where the servers do not do the same."""
        hosts = cluster.hosts_of(self)
        return (replace(self, hosts=hosts) if hosts else self,)


@dataclass(frozen=True, slots=True)
class ServiceStep(Step):
    """Base class of the steps about one service or dependency."""

    service: str

    @property
    def subject(self) -> str:
        return self.service


@dataclass(frozen=True, slots=True)
class ContainersStep(ServiceStep):
    """Base class of the steps about existing containers: each server does it to its own."""

    runs_on: ClassVar[RunsOn] = "sought"
    containers: tuple[ContainerRef, ...]

    def at(self, cluster: Cluster) -> Iterable[Step]:
        by_server, swarm = cluster.split(self.containers, self.service)
        yield from (replace(self, hosts=hosts, containers=refs) for hosts, refs in by_server.items())
        if swarm:
            yield from self.in_swarm(swarm, starts=cluster.starts)

    def in_swarm(self, services: Mapping[ContainerRef, int], *, starts: bool) -> Iterable[Step]:
        """The step about replicas, as one about their Swarm services; a manager does it.

        Args:
            services: Each Swarm service, and the number of its replicas.
            starts: Whether the plan starts others in their place.
        """
        raise NotImplementedError


class Cluster(Protocol):
    """Servers of a cluster, or the only one: what a step asks to find its own.

    Attributes:
        up: Those that answer.
        proxies: Those of them that have a proxy.
        issuer: The one whose proxy gets certificates.
        starts: Whether the plan starts containers.
        images: Server -> IDs of its images.
        volumes: Server -> names of its volumes.
    """

    up: tuple[str, ...]
    proxies: tuple[str, ...]
    issuer: str
    starts: bool
    images: Mapping[str, frozenset[str]]
    volumes: Mapping[str, frozenset[str]]

    def hosts_of(self, step: Step) -> tuple[str, ...]:
        """Servers of a step by its `runs_on`; empty for the first manager."""

    def split(
        self, containers: Iterable[ContainerRef], service: str = ""
    ) -> tuple[Mapping[tuple[str, ...], tuple[ContainerRef, ...]], Mapping[ContainerRef, int]]:
        """Containers by server; replicas by Swarm service, with their number.

        Args:
            containers: Containers.
            service: The service of those that the plan creates.
        """

    def lacking(self, image: str, owners: Sequence[str]) -> tuple[str, ...]:
        """Servers that run one of the services or dependencies, and lack its image."""

    def using(self, volume: str) -> tuple[str, ...]:
        """Servers of the containers that use a volume."""


def names(containers: tuple[ContainerRef, ...]) -> str:
    """The containers' names, for a step's text."""
    return ", ".join(container.name for container in containers)
