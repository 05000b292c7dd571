"""Step that has the server watch a release after its switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import Step

if TYPE_CHECKING:
    from ftl.deploy.plan.steps.base import ContainerRef


@dataclass(frozen=True, slots=True)
class WatchedService:
    """A service of a watched release, and the containers that the server can go back to.

    Attributes:
        old_alias: Alias that its live file has until the switch.
        new_alias: Alias that it has afterwards.
        old: Its containers until then, which stay meanwhile.
        new: Names of its new containers.
        idle: The old ones are stopped meanwhile: it has no port, and two releases of a worker do not run at once.
    """

    name: str
    old_alias: str
    new_alias: str
    old: tuple[ContainerRef, ...]
    new: tuple[str, ...]
    idle: bool = False


@dataclass(frozen=True, slots=True)
class WatchedJob:
    """A job of a watched release, whose old container gets its name again.

    Attributes:
        name: The name that cron starts.
        fresh: Name of the new container until the switch.
        old: The container that has the job's name until then.
    """

    name: str
    fresh: str
    old: ContainerRef


@dataclass(frozen=True, slots=True)
class WatchRelease(Step):
    """Have the server watch a release from its switch on, and switch back by itself if it fails.

    Attributes:
        before: The release to go back to.
        by: Who deploys.
        services: The services that are switched together.
        stop: Seconds for a container to stop.
        drain: Seconds for containers to finish their requests.
        jobs: The jobs that get new containers.
    """

    kind = "watch_release"
    runs_on = "one manager"
    sentence = "watch {0.release} for {0.seconds:g} s, keeping the containers of {0.before}"
    project: str
    release: str
    before: str
    by: str
    seconds: float
    services: tuple[WatchedService, ...]
    stop: float
    drain: float
    jobs: tuple[WatchedJob, ...] = ()
