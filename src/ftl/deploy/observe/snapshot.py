"""Snapshot of a server: a fixed number of concurrent engine calls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2, task_group
from ftl.common.references import as_listed, familiar, pull_reference
from ftl.deploy.observe.state import Observed
from ftl.engine import labels
from ftl.proxy.names import ProxyNames
from ftl.proxy.state import observe as observe_proxy
from ftl.releases.audit import broke_off
from ftl.releases.record import DependencyRecord, ServiceRecord
from ftl.releases.store import read_history

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Container, EngineInfo, Image
    from ftl.releases.record import ReleaseRecord


async def observe(
    engine: Engine,
    info: EngineInfo | None,
    project: str,
    server: str,
    *,
    containers: Awaitable[Sequence[Container]] | None = None,
) -> Observed:
    """Ask the server everything a plan needs, side by side.

    What is None is asked for as well.
    """
    return with_outcomes(await take_snapshot(engine, info, project, server, containers=containers))


async def take_snapshot(
    engine: Engine,
    info: EngineInfo | None,
    project: str,
    server: str,
    *,
    containers: Awaitable[Sequence[Container]] | None = None,
) -> Observed:
    """Ask the server as `observe` does, with its records as they are stored."""
    async with task_group() as group:
        described = group.create_task(_info(engine, info))
        listed = group.create_task(_containers(engine, containers))
        images = group.create_task(engine.images())
        networks = group.create_task(engine.networks())
        volumes = group.create_task(engine.volumes())
        history = group.create_task(read_history(engine, project))
        proxy = group.create_task(observe_proxy(engine))
        proxy_state = group.create_task(engine.container(ProxyNames().container))
    observed = Observed(
        server=server,
        info=described.result(),
        project=project,
        containers=listed.result(),
        images=tuple(images.result()),
        networks=tuple(networks.result()),
        volumes=tuple(volumes.result()),
        proxy=proxy.result(),
        releases=history.result().records,
        hold=history.result().hold,
        hold_time=history.result().hold_time,
        audit=history.result().audit,
        watches=history.result().watches,
        notify=history.result().notify,
        preview=history.result().preview,
        jobs=history.result().jobs,
        damaged=history.result().damaged,
    )
    policies, unlisted = await gather2(
        restart_policies(engine, observed, every=broke_off(observed.audit)), unlisted_images(engine, observed)
    )
    if (state := proxy_state.result()) is not None:
        policies[state.id] = state.restart_policy
    return replace(observed, policies=policies, images=(*observed.images, *unlisted))


async def unlisted_images(engine: Engine, observed: Observed) -> tuple[Image, ...]:
    """Pulled images of kept releases that the list of a containerd store leaves out.

    It lacks those of which a layer was not downloaded since another image had it unpacked already (seen on 26.1; moby,
    issue 49784). They run, and can be asked for by their names.
    """
    if observed.info.store != "containerd":
        return ()
    listed = {familiar(name) for image in observed.images for name in (*image.tags, *image.digests)}
    kept = [record for record in observed.releases if record.project]
    pulled = {entry.pulled for record in kept for entry in record.services.values()}
    pulled |= {entry.pulled for record in kept for entry in record.dependencies.values()}
    names = sorted(name for name in pulled if name and as_listed(name) not in listed)
    found = await gather(engine.image(name) for name in names)
    return tuple({image.id: image for image in found if image is not None}.values())


async def restart_policies(engine: Engine, observed: Observed, *, every: bool) -> dict[str, str]:
    """Restart policies that the engine's list does not tell, by ID: they take a round trip.

    Those of containers of 0.1.0 have no label. After a change that broke off those of `every` container are asked for:
    it may have ended between taking one and stopping the container.
    """
    own = (*observed.services, *observed.dependencies.values())
    unknown = [
        container.id
        for container in own
        if container.state == "running"
        and (every or labels.RESTART not in container.labels)
        and labels.SWARM_TASK not in container.labels
    ]
    states = await gather(engine.container(number) for number in unknown)
    return {state.id: state.restart_policy for state in states if state is not None}


async def _info(engine: Engine, known: EngineInfo | None) -> EngineInfo:
    return known or await engine.info()


async def _containers(
    engine: Engine, listing: Awaitable[Sequence[Container]] | None
) -> tuple[Container, ...]:
    return tuple(await (engine.containers() if listing is None else listing))


def with_outcomes(observed: Observed) -> Observed:
    """Count a release that was switched as live, though its record still says "started".

    It was killed between the switch and the record, or lost that in a power cut. What the record lacks comes from the
    containers.
    """
    live = observed.live_releases
    cut = [
        record
        for record in observed.releases
        if (record.outcome == "started" and record.services)
        or (not record.services and f"{record.release}.json" in observed.damaged)
    ]
    undecided = frozenset(record.release for record in cut if record.release in live)
    records = (
        _as_live(observed, record) if record.release in undecided else record for record in observed.releases
    )
    return replace(observed, releases=tuple(records), undecided=undecided)


def _as_live(observed: Observed, record: ReleaseRecord) -> ReleaseRecord:
    if not record.services:
        return _rebuilt(observed, record)
    services, dependencies = dict(record.services), dict(record.dependencies)
    for container in observed.services:
        entry = services.get(container.labels[labels.SERVICE])
        if entry is not None and not entry.image_id and entry.release == container.labels[labels.RELEASE]:
            services[container.labels[labels.SERVICE]] = replace(
                entry, image_id=container.image_id, pulled=pull_reference(container.image)
            )
    for name, container in observed.dependencies.items():
        known = dependencies.get(name)
        if known is not None and not known.image_id:
            dependencies[name] = replace(
                known, image_id=container.image_id, pulled=pull_reference(container.image)
            )
    return replace(record, outcome="live", services=services, dependencies=dependencies)


def _rebuilt(observed: Observed, record: ReleaseRecord) -> ReleaseRecord:
    """A live release's record that is lost, from the containers; without its project, no rollback goes back to it."""
    live = {
        container.labels[labels.SERVICE]: container
        for service in {container.labels[labels.SERVICE] for container in observed.services}
        for container in observed.live_containers(service)
    }
    services = {
        name: ServiceRecord(
            release=container.labels[labels.RELEASE],
            image=container.labels.get(labels.IMAGE, container.image),
            image_id=container.image_id,
            content=container.labels.get(labels.CONTENT, ""),
            config=container.labels.get(labels.CONFIG, ""),
            pulled=pull_reference(container.image),
        )
        for name, container in live.items()
    }
    dependencies = {
        name: DependencyRecord(container.image, container.image_id, pull_reference(container.image))
        for name, container in observed.dependencies.items()
    }
    return replace(record, outcome="live", services=services, dependencies=dependencies)
