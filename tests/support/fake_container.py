"""A container of the engine in memory, and how those of an image behave."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ftl.engine.values import (
    Container,
    ContainerState,
    Endpoint,
    LogLine,
    PublishedPort,
)

if TYPE_CHECKING:
    from ftl.engine.specs import ContainerSpec

Files = dict[str, bytes | None]
"""Path -> content; None for a folder."""


@dataclass(frozen=True, slots=True)
class Behavior:
    """How containers of an image behave once they are started.

    Attributes:
        exit_code: They end with this status after `seconds`; None: they run until they are stopped.
        log: Written when they start; lines that begin with "!" go to stderr.
        health: Docker's own check, once they run.
        ignores_stop: Only SIGKILL ends them.
    """

    exit_code: int | None = None
    seconds: float = 0.0
    log: tuple[str, ...] = ()
    health: Literal["", "starting", "healthy", "unhealthy"] = ""
    ignores_stop: bool = False


@dataclass(slots=True)
class FakeContainer:
    """A container; tests may change it as they like.

    Attributes:
        files: By absolute path; a volume's files are kept with the volume.
        cores: Processors that it keeps busy.
        memory: Bytes that it uses.
        changed: Set when it ends.
    """

    id: str
    name: str
    spec: ContainerSpec
    image_id: str
    created: int
    state: Literal["created", "running", "paused", "restarting", "exited"] = "created"
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    health: str = ""
    restarts: int = 0
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    files: Files = field(default_factory=dict)
    log: list[LogLine] = field(default_factory=list)
    cores: float = 0.5
    memory: int = 50_000_000
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, exit_code: int, *, oom_killed: bool = False, stopped: bool = False) -> None:
        """Let its process end: it then waits to be restarted, unless it was stopped or has no restart policy."""
        if self.state in ("running", "restarting"):
            again = not stopped and self.spec.restart != "no"
            self.state = "restarting" if again else "exited"
            self.restarts += again
            self.exit_code, self.oom_killed, self.health = exit_code, oom_killed, ""
            self.changed.set()

    def listed(self) -> Container:
        """The container as a list of the engine has it."""
        running = self.state == "running"
        status = {"running": "Up 2 minutes", "exited": f"Exited ({self.exit_code})"}.get(
            self.state, "Created"
        )
        published = [
            PublishedPort(port.container_port, port.protocol, port.address or "0.0.0.0", port.host_port)
            for port in self.spec.publish
        ]
        return Container(
            id=self.id,
            name=self.name,
            image=self.spec.image,
            image_id=self.image_id,
            labels=self.spec.labels,
            state=self.state,
            status=status,
            created=self.created,
            endpoints=tuple(self.endpoints.values()),
            published=tuple(published) if running else (),
            mounts=self.spec.mounts,
        )

    def inspected(self) -> ContainerState:
        """The container as it is when it is inspected."""
        return ContainerState(
            id=self.id,
            name=self.name,
            running=self.state in ("running", "restarting"),
            restarting=self.state == "restarting",
            exit_code=self.exit_code,
            oom_killed=self.oom_killed,
            error=self.error,
            health=self.health,
            health_log="",
            started="0001-01-01T00:00:00Z" if self.state == "created" else "2026-01-02T03:04:05Z",
            pid=self.created if self.state == "running" else 0,
            restarts=self.restarts,
            endpoints=tuple(self.endpoints.values()),
            labels=self.spec.labels,
            restart_policy=self.spec.restart,
        )
