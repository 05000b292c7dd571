"""Base classes of the steps of a plan."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from ftl.dataclass import dataclass


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
        together: Run once for all its servers, and not on each of them.
        hosts: Servers it runs on, by their names in the fleet; empty: the project's only server.
    """

    kind: ClassVar[str]
    together: ClassVar[bool] = False
    hosts: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def text(self) -> str:
        """Description for people, in the imperative."""
        raise NotImplementedError

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


@dataclass(frozen=True, slots=True)
class ServiceStep(Step):
    """Base class of the steps about one service or dependency."""

    service: str

    @property
    def subject(self) -> str:
        return self.service


def names(containers: tuple[ContainerRef, ...]) -> str:
    """The containers' names, for a step's text."""
    return ", ".join(container.name for container in containers)
