"""Base classes of the steps of a plan."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from ftl.dataclass import dataclass
from ftl.execution.step import BaseStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.engine.values import Container

RunsOn = Literal[
    "given", "all", "proxies", "managers", "one manager", "issuer", "first", "placement", "computed", "none"
]
"""Servers of a cluster that a class of steps runs on.

- given: those that the planner gives it when it makes the step (`GivenServersStep`)
- all: all that answer
- proxies, managers: all of these that answer
- one manager: the first that answers, which speaks for the whole Swarm; its text names no server
- issuer: the one whose proxy gets certificates
- first: the first in ftl.yaml, which has jobs and hooks
- placement: the one that the step's service or dependency runs on
- computed: as the class's own `at` finds them
- none: it does nothing on a server
"""

ONLY_SERVER = ("",)
"""Servers of a step where the project has one: only those of a cluster have names."""

ProxyEffect = Literal["", "changes", "repairs", "removes"]
"""Effect of a step on the proxies' live state, which servers that were away catch up with."""


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
class Step(BaseStep):
    """One action of a plan that changes a project.

    Attributes:
        servers: Servers it runs on, by their names in the fleet. Empty: the project's only server; in a cluster the
            first manager, where `runs_on` is "one manager", and this machine, where it is "none".
    """

    runs_on: ClassVar[RunsOn]
    proxy_effect: ClassVar[ProxyEffect] = ""
    servers: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def located_text(self) -> str:
        """The description, with the servers of a cluster that it runs on."""
        return f"{self.text} {self.servers_text}" if any(self.servers) else self.text

    @property
    def servers_text(self) -> str:
        """The servers of a cluster that it runs on, in its description."""
        return f"on {', '.join(self.servers)}"

    @property
    def place(self) -> str:
        """Its name in the place of an error: its description."""
        return self.text

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        """The step at its servers of a cluster; several steps where the servers do not do the same."""
        servers = lookup.servers_of(self)
        return (replace(self, servers=servers) if servers else self,)


@dataclass(frozen=True, slots=True)
class GivenServersStep(Step):
    """Base class of the steps that the planner makes for certain servers, at least one.

    Attributes:
        servers: Without any there is no such step; `ONLY_SERVER` where the project has no cluster.

    Raises:
        ValueError: There is none.
    """

    runs_on: ClassVar[RunsOn] = "given"
    servers: tuple[str, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        if not self.servers:
            raise ValueError(f"the step {self.kind} has no server")


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

    runs_on: ClassVar[RunsOn] = "computed"
    containers: tuple[ContainerRef, ...]

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        by_server, swarm = lookup.split(self.containers, self.service)
        yield from (replace(self, servers=servers, containers=refs) for servers, refs in by_server.items())
        if swarm:
            yield from self.in_swarm(swarm, starts=lookup.starts)

    def in_swarm(self, services: Mapping[ContainerRef, int], *, starts: bool) -> Iterable[Step]:
        """The step about replicas, as one about their Swarm services; a manager does it.

        It gets each service and the number of its replicas, and whether the plan starts others in their place.
        """
        raise NotImplementedError


class ServerLookup(Protocol):
    """The servers of a plan by their proxies, images and volumes, for steps to find theirs.

    Attributes:
        issuer: The one whose proxy gets certificates.
        networks: Server -> names of its own networks, which are not those of the cluster.
    """

    up: tuple[str, ...]
    proxies: tuple[str, ...]
    issuer: str
    starts: bool
    images: Mapping[str, frozenset[str]]
    volumes: Mapping[str, frozenset[str]]
    networks: Mapping[str, frozenset[str]]

    def servers_of(self, step: Step) -> tuple[str, ...]:
        """Servers of a step by its `runs_on`; empty where its text names none."""

    def proxies_for(self, step: Step) -> tuple[str, ...]:
        """The servers with a proxy, for a step that needs one.

        Raises:
            ServerError: None of them can be reached.
        """

    def split(
        self, containers: Iterable[ContainerRef], service: str = ""
    ) -> tuple[Mapping[tuple[str, ...], tuple[ContainerRef, ...]], Mapping[ContainerRef, int]]:
        """Containers by server; replicas by Swarm service, with their number.

        Those that the plan creates are of the given service.
        """

    def lacking(self, image: str, owners: Sequence[str]) -> tuple[str, ...]:
        """Servers that run one of the services or dependencies, and lack its image."""

    def using(self, volume: str) -> tuple[str, ...]:
        """Servers of the containers that use a volume."""


def refs(containers: Iterable[Container]) -> tuple[ContainerRef, ...]:
    """Observed containers as steps name them."""
    return tuple(ContainerRef(container.id, container.name) for container in containers)


def names(containers: tuple[ContainerRef, ...]) -> str:
    """The containers' names, for a step's text."""
    return ", ".join(container.name for container in containers)
