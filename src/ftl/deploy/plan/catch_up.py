"""Catch-up: what a plan for a cluster tells to servers that are away while it runs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.models.server import WEB
from ftl.deploy.plan.model import Stage
from ftl.deploy.plan.steps import (
    AnnounceLive,
    ApplySite,
    EndCatchUp,
    HoldCatchUp,
    PublishName,
    RemoveRoutes,
    RemoveSite,
    Switch,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.config import ClusterServer
    from ftl.deploy.observe.state import Observed

_CHANGES_LIVE = (ApplySite, PublishName, RemoveRoutes, RemoveSite, Switch)


def published(
    stages: Iterable[Stage], observed: Observed, servers: Sequence[ClusterServer]
) -> tuple[Stage, ...]:
    """Stages that also keep the Swarm's word of what is live true; with one server as they are.

    Nothing is said between the first change and the last: a server that follows what was live before would undo a
    switch. A deploy that is killed in between leaves nothing to follow, and a server that comes back answers 503 until
    the next one.

    Args:
        stages: Stages whose steps name their servers.
        observed: The servers that answer.
        servers: Those of the project's cluster.
    """
    stages = tuple(stages)
    steps = [step for stage in stages for track in stage.tracks for step in track]
    if not observed.is_cluster or any(isinstance(step, HoldCatchUp) for step in steps):
        return stages
    if not any(isinstance(step, _CHANGES_LIVE) for step in steps):
        return stages
    project = observed.project
    managers = tuple(view.host for view in observed.views if view.manager)
    proxies = tuple(view.host for view in observed.proxies if view.manager)
    if not managers:
        return stages
    hold = Stage("catch-up", ((HoldCatchUp(project, hosts=managers[:1]),),))
    if any(isinstance(step, RemoveSite) for step in steps):
        return (hold, *stages, Stage("end of catch-up", ((EndCatchUp(project, hosts=proxies),),)))
    web = tuple(server.host for server in servers if WEB in server.roles)
    up = tuple(view.host for view in observed.proxies)
    last = AnnounceLive(project, web, observed.issuer, hosts=up)
    return (hold, *stages, Stage("live release", ((last,),)))
