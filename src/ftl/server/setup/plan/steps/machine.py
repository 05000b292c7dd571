"""Steps about the machine: its engine and its swap."""

from __future__ import annotations

from ftl.common.figures import binary
from ftl.dataclass import dataclass
from ftl.server.setup.plan.steps.base import SetupStep, encoded


@dataclass(frozen=True, slots=True)
class WriteDaemonSettings(SetupStep):
    """Write the engine's daemon.json; restart a running engine if that stops no container.

    Attributes:
        topics: The settings that change, in words.
        live: Whether it enables live-restore: then the running engine reloads that before it restarts.
        later: Whether a running engine is not restarted, because its containers would stop with it.
        containers: The number of running containers.
    """

    kind = "write_daemon_settings"
    seconds = 120.0
    content: bytes
    topics: tuple[str, ...]
    restart: bool
    live: bool = False
    later: bool = False
    containers: int = 0

    @property
    def text(self) -> str:
        change = f"write Docker's settings ({', '.join(self.topics)}) to /etc/docker/daemon.json"
        if not self.restart:
            return f"{change}, for Docker's next start" if self.later else change
        containers = ", with its containers running on" if self.containers else ""
        return f"{change} and restart Docker{containers}"

    @property
    def arguments(self) -> tuple[str, ...]:
        return (encoded(self.content), *("yes" if flag else "no" for flag in (self.restart, self.live)))


@dataclass(frozen=True, slots=True)
class DisableLiveRestore(SetupStep):
    """Write the engine's daemon.json without live-restore, and let the running engine read it.

    That is one of the settings that an engine reloads: its containers run on.
    """

    kind = "disable_live_restore"
    content: bytes

    @property
    def text(self) -> str:
        return (
            "disable Docker's live-restore, which a cluster does not support, with its containers running on"
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        return (encoded(self.content),)


@dataclass(frozen=True, slots=True)
class StartEngine(SetupStep):
    """Start the engine, now and at boot, and wait until it answers."""

    kind = "start_engine"
    seconds = 120.0

    @property
    def text(self) -> str:
        return "start Docker and wait until it answers"


@dataclass(frozen=True, slots=True)
class StartCron(SetupStep):
    """Start cron, now and at boot: it runs the jobs of ftl.yaml."""

    kind = "start_cron"

    @property
    def text(self) -> str:
        return "start cron"


@dataclass(frozen=True, slots=True)
class AddSwap(SetupStep):
    """Add a swap file."""

    kind = "add_swap"
    seconds = 300.0
    bytes: int

    @property
    def text(self) -> str:
        return f"add {binary(self.bytes)} of swap, /swapfile"

    @property
    def arguments(self) -> tuple[str, ...]:
        return (str(self.bytes),)
