"""States of the servers of a cluster, merged into one for a plan. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.models.server import WEB
from ftl.deploy.observe.state import Observed, ServerView
from ftl.deploy.replicas import reached_by
from ftl.engine import labels
from ftl.proxy.site import same_anywhere
from ftl.releases.merge import Copies, lacking, merged_audit, merged_records
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.engine.calls.swarm import SwarmNode
    from ftl.engine.values import Container
    from ftl.host.fleet import Fleet
    from ftl.proxy.site import Site
    from ftl.proxy.state import ProxyState


def merged(
    project: str,
    servers: Sequence[ClusterServer],
    fleet: Fleet,
    looks: Sequence[Observed],
    swarm: tuple[Container, ...],
    nodes: Iterable[SwarmNode],
    published: Site | None = None,
) -> Observed:
    """The servers of a cluster as one project sees them.

    `looks` are their own states, in the fleet's order; `swarm` has the replicas of the project's Swarm services,
    `published` its site as the Swarm has it for servers that come back.
    """
    drained = {node.id for node in nodes if node.is_drained(project)}
    lost = {node.id for node in nodes if node.is_lost}
    web = {server.host for server in servers if WEB in server.roles}
    newest = max(looks, key=lambda seen: (_progress(seen), seen.server == fleet.first.name))
    releases = merged_records(Copies(seen.releases, seen.damaged) for seen in (newest, *looks))
    held = max((newest, *looks), key=lambda seen: seen.hold_time)
    views = tuple(
        ServerView(
            name=session.name,
            web=session.name in web,
            manager=session.info.is_manager,
            info=session.info,
            containers=seen.containers,
            images=seen.images,
            volumes=seen.volumes,
            proxy=seen.proxy,
            drained=session.info.node in drained,
            cut_off=session.info.node in lost,
            notify=seen.notify,
            networks=seen.networks,
            jobs=seen.jobs,
            lacks=lacking(Copies(seen.releases, seen.damaged), releases) if session.info.is_manager else (),
            lacks_hold=session.info.is_manager and (seen.hold, seen.hold_time) != (held.hold, held.hold_time),
        )
        for session, seen in zip(fleet, looks, strict=True)
    )
    plain = tuple(one for view in views for one in view.containers if labels.SWARM_TASK not in one.labels)
    first = next(seen for seen in looks if seen.server == fleet.first.name)
    return replace(
        newest,
        server=", ".join(view.name for view in views),
        info=first.info,
        containers=(*plain, *swarm),
        images=tuple(image for view in views for image in view.images),
        networks=tuple({one.id: one for seen in (first, *looks) for one in seen.networks}.values()),
        volumes=tuple(volume for view in views for volume in view.volumes),
        proxy=merged_proxy(
            project,
            [view.proxy for view in views if view.web and view.proxy is not None],
            swarm + plain,
            published,
        ),
        releases=releases,
        hold=held.hold,
        hold_time=held.hold_time,
        audit=merged_audit([seen.audit for seen in looks]),
        notify=b"",  # each view has its own, and of jobs
        jobs=(),
        policies={name: policy for seen in looks for name, policy in seen.policies.items()},
        views=views,
        down=tuple(fleet.missing),
    )


def _progress(seen: Observed) -> tuple[int, int, int, float]:
    """Progress of a server's history, to compare: one that was away, or lost its power, lacks what others have."""
    ended = [record for record in seen.releases if record.outcome != "started"]
    return (
        max((record.number for record in seen.releases), default=0),
        -len(seen.damaged),
        len(ended),
        max((entry.time for entry in seen.audit), default=0.0),
    )


def merged_proxy(
    project: str,
    proxies: Sequence[ProxyState],
    containers: Sequence[Container],
    published: Site | None = None,
) -> ProxyState | None:
    """The proxy as a plan sees it: one that is up to date, with the live releases of all.

    One that was away during a deploy names releases whose containers are gone, or older ones than the others; or it has
    the routes of before, or no maintenance, for the same releases. The containers are those of all servers. `published`
    is None where a plan is under way, or was cut.
    """
    if not proxies:
        return None
    live: dict[tuple[str, str], str] = {}
    for proxy in proxies:
        for key, alias in proxy.live.items():
            if key[0] == project and _age(containers, key[1], alias) > _age(
                containers, key[1], live.get(key, "")
            ):
                live[key] = alias

    def agrees(proxy: ProxyState) -> tuple[bool, bool, int, bool]:
        own = sum(proxy.live.get(key) == alias for key, alias in live.items())
        site = proxy.site(project)
        is_published = site is not None and published is not None and same_anywhere(site, published)
        return (proxy.running, site is not None, own, is_published)

    base = max(proxies, key=agrees)
    # What is the same on all of them.
    sites = {
        name: replace(site, place=None) if name == project else site for name, site in base.sites.items()
    }
    return replace(base, live={**base.live, **live}, sites=sites)


def _age(containers: Sequence[Container], service: str, alias: str) -> int:
    """Number of the release that an alias leads to; 0 where it leads to none."""
    own = [one for one in containers if one.labels.get(labels.SERVICE) == service and _is_service(one)]
    reached = reached_by(alias, own) if alias else ()
    return max((release_number(one.labels[labels.RELEASE]) for one in reached), default=0)


def _is_service(container: Container) -> bool:
    return container.role == labels.ROLE_SERVICE
