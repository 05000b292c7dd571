"""Ownership: refuse names on the server that belong to something else.

Names are for people and can collide: project `u` with service `web-api` and project `u-web` with service `api` would
both have `u-web-api-r1`. Labels cannot, so they decide who owns what a name stands for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.names import volume_name
from ftl.deploy.origin import is_other
from ftl.deploy.plan.desired.sources import NamedImage, PinnedImage
from ftl.engine import labels
from ftl.errors import ServerError, UsageError
from ftl.proxy.lifecycle.interrupted import SUFFIXES
from ftl.proxy.names import ProxyNames
from ftl.releases.file_copies import CONTAINER as STORE
from ftl.releases.store import TAKEN_HINT, VOLUME, is_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.diff import Diff
    from ftl.engine.values import Container

_RENAME = "rename the project or the service in ftl.yaml"


def refuse_other_repository(diff: Diff, origin: Mapping[str, str]) -> None:
    """Refuse to take over a project that another repository deployed under the same name.

    Without git at either end, a file that names nothing of what runs is taken for another project's.

    Raises:
        UsageError: Nothing was touched; `--adopt` takes the project over.
    """
    if diff.request.purpose.adopt:
        return
    live = diff.observed.live_record
    before = live.origin if live is not None else {}
    known = bool(before.keys() & origin.keys())
    if is_other(before, origin) or (not known and _names_nothing_that_runs(diff)):
        by = f", last by {live.by}" if live is not None and live.by else ""
        source = f" from {before['remote']}" if known and "remote" in before else ""
        raise UsageError(
            f"{diff.observed.server} has a project {diff.project.name} of another repository, deployed{source}{by}",
            hint="give this one another `project.name`"
            if diff.project.preview_of
            else f"give this one another `project.name`; {ftl('deploy --adopt')} takes the other one over, and "
            "removes what this ftl.yaml does not name",
        )


def refuse_other_environment(diff: Diff) -> None:
    """Refuse to replace containers of another environment with the same project name.

    Records of FTL 0.1 name none: it had no environments. Previews are told apart by their labels.

    Raises:
        UsageError: Nothing was touched; `--adopt` takes the project over.
    """
    live, project = diff.observed.live_record, diff.project
    if diff.request.purpose.adopt or live is None or project.preview_of:
        return
    if live.environment == project.environment:
        return
    file = f"ftl.{project.environment or live.environment}.yaml"
    other = f"with `-e {live.environment}`" if live.environment else "without `-e`"
    raise UsageError(
        f"the project {project.name} on {diff.observed.server} was deployed {_in(live.environment)}"
        f"{f', last by {live.by}' if live.by else ''}; this deploy is {_in(project.environment)}",
        hint=f"give {file} another `project.name`, or deploy {other}; {ftl('deploy --adopt')} takes the project "
        "over, and replaces what runs there",
    )


def _in(environment: str) -> str:
    return f"in the environment {environment}" if environment else "without an environment"


def _names_nothing_that_runs(diff: Diff) -> bool:
    running = {container.labels[labels.SERVICE] for container in diff.observed.services}
    running |= set(diff.observed.dependencies)
    named = {service.name for service in diff.project.services}
    named |= {dependency.name for dependency in diff.project.dependencies}
    return len(running) > 1 and not running & named


def refuse_missing_network(observed: Observed) -> None:
    """Refuse a cluster without the project's network.

    `ftl setup` has not made it yet, or `ftl remove` has removed it.

    Raises:
        ServerError: It is one.
    """
    if observed.is_cluster and all(network.name != observed.network for network in observed.networks):
        raise ServerError(
            f"{observed.project} has no network on {observed.server}",
            hint=f"{ftl('setup')} makes the servers of ftl.yaml one cluster",
        )


def refuse_worker(observed: Observed) -> None:
    """Refuse one server that runs the project's tasks and is no manager of their Swarm.

    Raises:
        UsageError: Containers that are removed there are started again, here or on another server.
    """
    tasks = [one for one in observed.containers if labels.SWARM_TASK in one.labels]
    if any(one.project == observed.project for one in tasks) and not (
        observed.is_cluster or observed.info.is_manager
    ):
        raise UsageError(
            f"{observed.server} runs {observed.project} as a worker of a cluster, which only managers can change",
            hint=f"write `servers` with a manager first and run {ftl('setup')}, or {ftl('servers drain')} for this "
            "server: docs/how-to/several-servers.md explains how to go back to one",
        )


def refuse_taken_names(diff: Diff) -> None:
    """Refuse a plan whose containers, volumes or image tags are taken by something else.

    Raises:
        UsageError: Names the owner. Nothing was touched.
    """
    for problem, hint in _problems(diff):
        raise UsageError(f"{problem} on {diff.observed.server}", hint=hint)


def _problems(diff: Diff) -> Iterator[tuple[str, str]]:
    yield from _taken_by_strangers(diff)
    yield from _same_stem(diff)
    yield from _taken_containers(diff)
    yield from _taken_volumes(diff)
    yield from _taken_tags(diff)


def _taken_by_strangers(diff: Diff) -> Iterator[tuple[str, str]]:
    """Names that all projects share, of the store and the proxy, and that of the project's network."""
    proxy, network = ProxyNames(), diff.observed.network
    roles = {STORE: labels.ROLE_STATE, **({proxy.container: labels.ROLE_PROXY} if diff.proxied else {})}
    for container in (one for server in diff.observed.servers for one in server.containers):
        role = roles.get(container.name)
        if role is not None and container.role != role:
            yield (
                f"the container name {container.name} is taken by {_owner(container)}",
                f"rename it on the server: `docker rename {container.name} NAME`",
            )
    for server in diff.observed.servers:
        stored = any(one.role == labels.ROLE_STATE for one in server.containers)
        if not stored and any(one.name == VOLUME and not is_store(one) for one in server.volumes):
            yield f"the volume name {VOLUME} is taken by a volume that FTL did not create", TAKEN_HINT
    for existing in diff.observed.networks:
        if existing.name == network and existing.labels.get(labels.PROJECT) != diff.project.name:
            owner = existing.labels.get(labels.PROJECT)
            whose = f"project {owner}" if owner else "a network that FTL did not create"
            yield (
                f"the network name {network} is taken by {whose}",
                f"remove it (`docker network rm {network}` on the server), or rename the project in ftl.yaml",
            )
    reserved = {STORE, proxy.container, *(f"{proxy.container}-{suffix}" for suffix in SUFFIXES)}
    for dependency in diff.dependencies:
        if (name := f"{diff.project.name}-{dependency.name}") in reserved:
            yield f"the container name {name} is that of a container of FTL", _RENAME


def _same_stem(diff: Diff) -> Iterator[tuple[str, str]]:
    """Two projects whose services would share container names and image tags, now or in a later release."""
    project = diff.project.name
    names = [change.name for change in diff.services] + [change.name for change in diff.dependencies]
    stems = {f"{project}-{name}": name for name in names}
    for container in diff.observed.containers:
        owner, service = container.project, container.labels.get(labels.SERVICE)
        stem = f"{owner}-{service}"
        if owner and service and owner != project and stem in stems:
            yield (
                f"`{stems[stem]}` of project {project} would have the same names as `{service}` of project {owner}",
                _RENAME,
            )


def _taken_containers(diff: Diff) -> Iterator[tuple[str, str]]:
    existing = {container.name: container for container in diff.observed.containers}
    for change in (*diff.starting, *diff.scaled):
        removed_first = {container.name for container in diff.colliding(change)}
        for name in diff.new_containers(change):
            if name in existing and name not in removed_first:
                yield f"the container name {name} is taken by {_owner(existing[name])}", _RENAME
    for dependency in diff.dependencies:
        name = f"{diff.project.name}-{dependency.name}"
        taken, current = existing.get(name), dependency.current
        ours = taken is not None and current is not None and taken.id == current.id
        if dependency.starts and taken is not None and not ours:
            yield f"the container name {name} is taken by {_owner(taken)}", _RENAME


def _owner(container: Container) -> str:
    project, service = container.project, container.labels.get(labels.SERVICE)
    if not project:
        return f"a container that FTL did not create ({container.image}, {container.state})"
    return f"`{service}` of project {project}"


def _taken_volumes(diff: Diff) -> Iterator[tuple[str, str]]:
    volumes = {volume.name: volume for volume in diff.observed.volumes}
    for name in diff.project.volumes:
        full = volume_name(diff.project.name, name)
        owner = volumes[full].labels.get(labels.PROJECT) if full in volumes else None
        if owner and owner != diff.project.name:
            yield (
                f"the volume name {full} is taken by project {owner}: its data is not shared",
                "rename the volume in ftl.yaml",
            )
    # Those that images declare: of which paths, the images tell only once they are on the server.
    for dependency in diff.dependencies:
        stem = f"{diff.project.name}-{dependency.name}."
        own = (diff.project.name, dependency.name)
        for name in volumes if dependency.starts else ():
            label_map = volumes[name].labels
            its = (label_map.get(labels.PROJECT), label_map.get(labels.SERVICE))
            if name.startswith(stem) and its[0] and its != own:
                yield (
                    f"the volume name {name} is taken by {_volume_owner(label_map)}: its data is not shared",
                    f"rename the project or the dependency in ftl.yaml, or remove the volume "
                    f"(`docker volume rm {name}`) if its data is not needed",
                )


def _volume_owner(label_map: Mapping[str, str]) -> str:
    service, project = label_map.get(labels.SERVICE), f"project {label_map.get(labels.PROJECT)}"
    return f"`{service}` of {project}" if service else project


def _taken_tags(diff: Diff) -> Iterator[tuple[str, str]]:
    for change in diff.starting:
        if isinstance(change.source, (NamedImage, PinnedImage)):
            continue
        tag = diff.configured_image(change)
        image = next((image for image in diff.observed.images if tag in image.tags), None)
        owner = image.labels.get(labels.PROJECT) if image is not None else None
        if image is not None and owner != diff.project.name:
            whose = f"project {owner}" if owner else "an image that FTL did not build"
            yield f"the image tag {tag} is taken by {whose}", _RENAME
