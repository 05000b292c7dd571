"""Step that has the server watch a release after its switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import Step

if TYPE_CHECKING:
    from ftl.deploy.plan.steps.base import ContainerRef
    from ftl.host.crontab import CronLine
    from ftl.proxy.site import Site


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
    """A job of a watched release, whose containers get their names of before again.

    Attributes:
        fresh: Name of the new container until the switch; empty where the job is removed.
        old: The container that the job has until then; None where it is new.
    """

    fresh: str
    old: ContainerRef | None


@dataclass(frozen=True, slots=True)
class WatchedRoutes:
    """Routes that change with a watched release: meanwhile the proxy has those of both.

    Attributes:
        before: The site that it gets again if the release is taken back.
        after: The one that it gets if the release stays.
    """

    before: Site
    after: Site


@dataclass(frozen=True, slots=True)
class WatchRelease(Step):
    """Have the server watch a release from its switch on, and switch back by itself if it fails.

    Attributes:
        before: The release to go back to.
        by: Who deploys.
        services: The services that are switched together.
        stop: Seconds for a container to stop.
        drain: Seconds for containers to finish their requests.
        jobs: The jobs that get new containers, or are removed.
        crontab: Lines that the crontab gets again; None where the release has the same.
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
    crontab: tuple[CronLine, ...] | None = None
    routes: WatchedRoutes | None = None
