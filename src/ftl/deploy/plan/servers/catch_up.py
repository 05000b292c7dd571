"""Catch-up: steps by which servers that are away during a plan get its result later. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.models.server import WEB
from ftl.deploy.plan.model import Stage
from ftl.deploy.plan.steps.base import ONLY_SERVER
from ftl.deploy.plan.steps.catch_up import EndCatchUp, PauseCatchUp, PublishLiveState, ShareCertificates
from ftl.deploy.plan.steps.proxy import ApplySite, RemoveRoutes, RemoveSite
from ftl.proxy.tls.policy import by_acme

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.steps.base import Step

_MAY_TAKE_LONG = "images for messages"
"""The stage that nothing else waits for."""


def with_live_state(
    stages: Iterable[Stage], observed: Observed, servers: Sequence[ClusterServer], *, complete: bool = False
) -> tuple[Stage, ...]:
    """Stages that also keep the Swarm config of the live state; with one server as they are.

    Where that server catches up with a cluster that the project has left, they end this.

    There is none between the first change and the switch: a server that catches up with what was live before would undo
    it. A plan that is killed in between leaves nothing to catch up with, and a server that comes back answers 503 until
    the next one. What comes after the switch may take long (hooks, requests in flight), so it is published before.
    Stages are `complete` if they leave all proxies as they should be, so that a missing config can be published.
    """
    stages = tuple(stages)
    steps = tuple(_steps(stages))
    if observed.left_configs and not observed.is_cluster:
        return _left(stages, observed, complete=complete)
    if not observed.is_cluster or any(isinstance(step, (PauseCatchUp, PublishLiveState)) for step in steps):
        return stages
    changes = any(step.proxy_effect in ("changes", "removes") for step in steps)
    missing = complete and not observed.live_published and observed.site is not None
    project = observed.project
    managers = tuple(view.name for view in observed.views if view.manager)
    if not managers or not (changes or missing):
        return stages
    pause = (Stage("catch-up", ((PauseCatchUp(project, servers=managers),),)),) if changes else ()
    if any(isinstance(step, RemoveSite) for step in steps):
        ends = any(isinstance(step, EndCatchUp) for step in steps)
        return (*pause, *stages, *(() if ends else (end_of_catch_up(observed),)))
    web = tuple(server.host for server in servers if WEB in server.roles)
    up = tuple(view.name for view in observed.proxies)
    at = _switched(stages)
    gone = (step.services for step in _steps(stages[at:]) if isinstance(step, RemoveRoutes))
    gone_services = tuple(name for services in gone for name in services)
    publishing = Stage(
        "live release", ((PublishLiveState(project, web, observed.issuer, gone_services, servers=up),),)
    )
    site = next((step.site for step in reversed(steps) if isinstance(step, ApplySite)), observed.site)
    shared: tuple[Stage, ...] = ()
    if site is not None and by_acme([site]):
        shared = (Stage("certificates", ((ShareCertificates(project, observed.issuer, servers=up),),)),)
    late = next((number for number, stage in enumerate(stages) if stage.name == _MAY_TAKE_LONG), len(stages))
    return (*pause, *stages[:at], publishing, *stages[at:late], *shared, *stages[late:])


def _left(stages: tuple[Stage, ...], observed: Observed, *, complete: bool) -> tuple[Stage, ...]:
    """Stages of a project that moved back to one server, which would still catch up with the cluster."""
    changes = any(step.proxy_effect in ("changes", "removes") for step in _steps(stages))
    if not (changes or complete):
        return stages
    pause = (Stage("catch-up", ((PauseCatchUp(observed.project, servers=ONLY_SERVER),),)),) if changes else ()
    return (
        *pause,
        *stages,
        Stage("end of catch-up", ((EndCatchUp(observed.project, servers=ONLY_SERVER),),)),
    )


def end_of_catch_up(observed: Observed) -> Stage:
    """The stage after which no server catches up, and the Swarm has no keys."""
    # Without a proxy that answers there is the config to be removed still.
    proxies = tuple(view.name for view in observed.proxies) or (observed.servers[0].name,)
    return Stage("end of catch-up", ((EndCatchUp(observed.project, servers=proxies),),))


def _switched(stages: Sequence[Stage]) -> int:
    """Number of the stages until requests go where they shall, and nothing is taken back."""
    numbers = [
        number
        for number, stage in enumerate(stages, 1)
        if stage.decides or any(step.proxy_effect in ("changes", "repairs") for step in _steps([stage]))
    ]
    return numbers[-1] if numbers else 0


def _steps(stages: Iterable[Stage]) -> Iterator[Step]:
    return (step for stage in stages for track in stage.tracks for step in track)
