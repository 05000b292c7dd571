"""Notes of a plan: warnings and side effects that users should read before a deploy. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import binary, count
from ftl.common.next_step import ftl
from ftl.common.references import configured_reference
from ftl.config.notes import placeholder_notes, secret_argument_notes, silent_event_notes
from ftl.deploy.plan.changes import STOPPED, DependencyChange
from ftl.deploy.plan.exclusive import has_data
from ftl.deploy.plan.reasons import DEPENDENCIES, SERVICES, read_only_at_first, recorded_section
from ftl.deploy.plan.servers.moved_data import moved_data_notes
from ftl.deploy.plan.tracks.cleanup import DEPENDENCY_STOP, running_hooks, stop_timeout
from ftl.deploy.plan.tracks.watch import not_watched
from ftl.engine import labels
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.plan.changes import ServiceChange
    from ftl.deploy.plan.diff import Diff


_REPAIRED = ("audit.jsonl", "hold.json", "preview.json")
"""Files of the release records that the next operation, or a hint, writes again; a record is one, too."""


def plan_notes(diff: Diff) -> Iterator[str]:
    """Yield warnings and side effects that users should read before a deploy."""
    yield from not_watched(diff)
    yield from _damage_notes(diff)
    for name, image in diff.lost_images.items():
        tag = configured_reference(image)
        yield f"{name} ran {image}, which is no longer on the server: it gets the current {tag}"
    for hook in running_hooks(diff):
        seconds = stop_timeout(diff, hook.labels[labels.SERVICE])
        yield (
            f"{hook.name}, a hook of an interrupted deploy, is still running: it is stopped, and killed after "
            f"{seconds:g} s (`stop_timeout`); `docker wait {hook.name}` there waits for it"
        )
    yield from _cluster_notes(diff)
    for change in diff.dependencies:
        yield from _dependency_notes(diff, change)
    if not diff.request.purpose.same_release:
        yield from _scaled_before(diff)
    if diff.proxied and not diff.request.purpose.same_release:
        yield from placeholder_notes(diff.project)
    if diff.makes_release and not diff.request.purpose.from_record:
        yield from secret_argument_notes(diff.project)
        yield from silent_event_notes(diff.project)
    yield from _left_hosts(diff)
    if diff.maintenance:
        yield f"{diff.project.name} is in maintenance: visitors get 503 until {ftl('maintenance off')}"
    proxy, image = diff.observed.proxy, diff.project.proxy.image
    if diff.proxied and proxy is not None and diff.project.name in proxy.damaged:
        yield "the proxy's file with this project's routes is damaged: it is written again"
    stays = proxy is not None and proxy.running and not diff.request.purpose.upgrade_proxy
    if diff.proxied and proxy is not None and stays and proxy.image != image:
        note = (
            f"the server's proxy runs {proxy.image}, this project names {image}: left as it is, since other projects "
            "may use it"
        )
        # A preview does not replace what those depend on.
        yield note if diff.project.preview_of else f"{note}; {ftl('deploy --upgrade-proxy')} replaces it"


def _left_hosts(diff: Diff) -> Iterator[str]:
    """Hosts that the proxy answers now, and that no route or redirect of the release has."""
    before, after = diff.observed.site, diff.target_site
    if before is None or (after is None and not diff.leaves_proxy):
        return
    kept = after.hosts if after is not None else ()
    for host in before.hosts:
        if host not in kept:
            yield f"{host} will no longer be answered: no route of this release has it"


def _damage_notes(diff: Diff) -> Iterator[str]:
    damaged = [
        name
        for name in diff.observed.damaged
        if name in _REPAIRED or release_number(name.removesuffix(".json"))
    ]
    if damaged:
        yield (
            f"of what {diff.observed.server} stores about {diff.project.name}, {', '.join(damaged)} "
            f"{'is' if len(damaged) == 1 else 'are'} damaged, as by a power cut: an older one, or what else is "
            "stored, counts instead"
        )


def _cluster_notes(diff: Diff) -> Iterator[str]:
    for server in diff.observed.down:
        if server in diff.observed.unreachable:
            continue  # a change is refused
        yield f"{server} cannot be reached: the others carry on without it, and the next deploy brings it up to date"
    for view in diff.observed.views:
        if view.cut_off:
            yield (
                f"{view.name} is cut off from the other servers: nothing is started there, and its proxy does not "
                "reach what is new"
            )
    yield from moved_data_notes(diff)
    yield from (f"{each.name} stays as it is: {each.why}" for each in diff.dependencies if each.is_away)
    for container in filter(has_data, diff.doubled_dependencies):
        name = container.labels[labels.SERVICE]
        servers = map(diff.observed.server_of, (diff.observed.dependencies[name], container))
        yield (
            f"{name} runs on {' and '.join(servers)}, and both answer to its name: keep the one with the data, and "
            f"`docker rm -f {container.name}` on the other, whose volume stays"
        )
    for change in diff.starting:
        replicas = change.service.replicas
        if replicas > 1 and diff.observed.is_cluster and not change.is_spread:
            yield (
                f"all {replicas} replicas of {change.name} run on one server: it has a volume or another setting tied "
                "to one"
            )
        yield from _memory_note(diff, change)


def _memory_note(diff: Diff, change: ServiceChange) -> Iterator[str]:
    """A limit is no reservation, so that Swarm starts all replicas, and the kernel ends some later."""
    limit = change.service.resources.memory or 0
    allowed = diff.project.servers_for(change.service)
    views = [view for view in diff.observed.views if view.name in allowed and not view.drained]
    there = sum(view.info.memory for view in views)
    wanted = limit * change.service.replicas
    if views and all(view.info.memory for view in views) and wanted > there:
        replicas, names = count(change.service.replicas, "replica"), " and ".join(view.name for view in views)
        yield (
            f"{replicas} of {change.name} may use {binary(wanted)} of memory (`resources`), and "
            f"{names} {'have' if len(views) > 1 else 'has'} {binary(there)}: the kernel kills what needs more"
        )


def _scaled_before(diff: Diff) -> Iterator[str]:
    """Services whose number of containers `ftl scale` has changed, and this takes back."""
    restored = diff.request.purpose.restored
    source = f"as {restored} had it" if restored else "as ftl.yaml says"
    for change in diff.services:
        recorded = recorded_section(diff.observed, SERVICES, change.name).get("replicas")
        now, wanted = len(change.current), change.service.replicas
        if now and recorded and now not in (recorded, wanted):
            again = " again" if recorded == wanted else ""
            yield f"`ftl scale` had set {change.name} to {now}: it gets {wanted}{again}, {source}"


def _dependency_notes(diff: Diff, change: DependencyChange) -> Iterator[str]:
    if change.why == STOPPED:
        yield f"{change.name} is stopped and stays stopped: {ftl(f'start {change.name}')} starts it"
    if change.action != "replaced":
        return
    yield (
        f"{change.name} stops and starts again ({change.why}): open connections to it are cut, and new ones refused "
        f"until it has ended, which may take {DEPENDENCY_STOP:g} s, and started"
    )
    before = recorded_section(diff.observed, DEPENDENCIES, change.name)
    ignored = read_only_at_first(before, change.dependency.to_dict())
    if ignored:
        yield (
            f"{change.name}: {', '.join(ignored)} only counts when the database is first initialised; the existing one "
            "keeps its users and passwords: change them there as well"
        )
