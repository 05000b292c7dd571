"""Steps about the machine's engine and its memory."""

from __future__ import annotations

from dataclasses import dataclass

from ftl.figures import binary
from ftl.server.setup.plan.steps.base import SetupStep, encoded


@dataclass(frozen=True, slots=True)
class WriteDaemonSettings(SetupStep):
    """Write the engine's daemon.json; restart an engine that runs already.

    Attributes:
        settings: What changes in it, in words.
        live: Whether live-restore is in it and not yet in force: then the engine takes it before it restarts.
        later: Whether an engine that runs is left alone, because its containers would stop with it.
        containers: How many run.
    """

    verb = "daemon"
    seconds = 120.0
    content: bytes
    settings: tuple[str, ...]
    restart: bool
    live: bool = False
    later: bool = False
    containers: int = 0

    @property
    def text(self) -> str:
        what = f"write Docker's settings ({', '.join(self.settings)}) to /etc/docker/daemon.json"
        if not self.restart:
            return f"{what}, for Docker's next start" if self.later else what
        stays = " while its containers go on" if self.containers else ""
        return f"{what} and restart Docker{stays}"

    @property
    def words(self) -> tuple[str, ...]:
        return (encoded(self.content), *("yes" if one else "no" for one in (self.restart, self.live)))


@dataclass(frozen=True, slots=True)
class StartEngine(SetupStep):
    """Have the engine run, now and after a reboot, and answer."""

    verb = "engine"
    seconds = 120.0

    @property
    def text(self) -> str:
        return "start Docker and wait until it answers"


@dataclass(frozen=True, slots=True)
class AddSwap(SetupStep):
    """Make a swap file."""

    verb = "swap"
    seconds = 300.0
    bytes: int

    @property
    def text(self) -> str:
        return f"add {binary(self.bytes)} of swap, /swapfile"

    @property
    def words(self) -> tuple[str, ...]:
        return (str(self.bytes),)
