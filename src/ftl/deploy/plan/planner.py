"""Planner: desired project x observed server -> plan. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ftl.dataclass import dataclass
from ftl.deploy.plan import jobs
from ftl.deploy.plan.changes import STOPPED, DependencyChange
from ftl.deploy.plan.checks.major_versions import refuse_major_versions
from ftl.deploy.plan.checks.ownership import refuse_other_repository, refuse_taken_names
from ftl.deploy.plan.cleanup import clean_tracks, policy_track, running_hooks, stop_timeout, tags_track
from ftl.deploy.plan.diff import diff as compare
from ftl.deploy.plan.exclusive import in_order, refuse_shared_data
from ftl.deploy.plan.model import Change, Plan, Stage, Track
from ftl.deploy.plan.pins import configured_reference
from ftl.deploy.plan.reasons import read_only_at_first, recorded_section
from ftl.deploy.plan.rollout import (
    dependency_track,
    hook_track,
    image_tracks,
    prepare_tracks,
    proxy_track,
    service_track,
)
from ftl.deploy.plan.start_order import start_levels
from ftl.deploy.plan.steps import (
    ApplySite,
    AwaitCertificates,
    BringImage,
    Decide,
    Record,
    RemoveSite,
    SetHold,
    Step,
    Switch,
)
from ftl.deploy.request import RestoredRelease
from ftl.engine import labels
from ftl.proxy.site import TlsFiles
from ftl.proxy.tls.issuance import hosts_to_certify
from ftl.references import pull_reference
from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord
from ftl.releases.store import Hold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.desired.sources import ImageSource
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.request import Author, DeployRequest
    from ftl.engine.values import Container
    from ftl.releases.record import ReleaseOutcome


NO_FILES = TlsFiles()


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs of a plan from this machine, beside the request.

    Attributes:
        author: Who deploys.
        sources: Service -> where its image comes from; other services name their image in ftl.yaml.
        files: The user's own files for TLS, if the project names any.
    """

    author: Author
    sources: Mapping[str, ImageSource]
    files: TlsFiles = NO_FILES


def make_plan(request: DeployRequest, inputs: Inputs, observed: Observed) -> Plan:
    """Plan what has to be done so that the server is as the project says.

    Raises:
        UsageError: Another project on the server has one of the routes or names, or another repository deploys there
            under this project's name; a database would start on the data of another major version, or something on
            the data of what stays.
    """
    diff = compare(request, observed, inputs.sources, inputs.files, inputs.author.commit)
    refuse_other_repository(diff, inputs.author.origin)
    refuse_taken_names(diff)
    refuse_shared_data(diff)
    refuse_major_versions(diff)
    stages = tuple(
        replace(stage, tracks=tracks)
        for stage in _stages(diff, inputs.author)
        if (tracks := tuple(filter(None, stage.tracks)))
    )
    policies = policy_track(diff)
    if policies and (stages or not request.same_release):
        stages = (*stages, Stage("restart policies", (policies,)))
    return Plan(
        server=observed.server,
        project=request.project.name,
        release=diff.release,
        changes=tuple(_changes(diff)),
        stages=stages,
        record=_record(diff, inputs.author, "started") if diff.makes_release else None,
        notes=tuple(_notes(diff)),
        by_address=diff.by_address,
    )


def _stages(diff: Diff, author: Author) -> Iterator[Stage]:
    """The order of a deploy. Nothing before the switch changes what users get; nothing after it is undone."""
    project = diff.project.name
    begin = (Record(project, _record(diff, author, "started")),) if diff.makes_release else ()
    prepare = (*prepare_tracks(diff), *jobs.prepare_tracks(diff.jobs))
    images = tuple(image_tracks(diff))
    # On a server without a proxy, all images travel together, or while that of the proxy is pulled.
    together = any(isinstance(step, BringImage) for track in prepare for step in track)
    yield Stage("prepare", (*prepare, *(images if together else ())))
    yield Stage("record", (begin, _repaired_records(diff)))
    yield Stage("images", () if together else images)
    dependencies = (
        tuple(step for change in track for step in dependency_track(diff, change)) for track in in_order(diff)
    )
    yield Stage("dependencies", (proxy_track(diff), *dependencies))
    # Migrations run before anything that needs them starts, as in Heroku's release phase and Kamal's pre-deploy hook.
    yield Stage("hooks", (hook_track(diff, "pre"),))
    for level in start_levels(diff.services):
        yield Stage("services", tuple(service_track(diff, change) for change in level))
    references = {change.name: diff.service_image(change) for change in diff.starting}
    references |= {
        change.name: diff.dependency_image(change) for change in diff.dependencies if change.starts
    }
    yield Stage("jobs", tuple(jobs.create_tracks(diff.jobs, diff.release, references)))
    yield Stage("crontab", (jobs.before_switch(diff.jobs),))
    # Before the switch: a rollback that is killed after it has stopped deploys, which would undo it.
    yield Stage("hold", (_hold(diff, author),))
    yield Stage("switch", (_switch(diff, author),), decides=True)
    # Routes that change were switched with the release (`transitional_site`): this drops those of the old one.
    yield Stage("routes", (_routes(diff), _switched_jobs(diff)))
    yield Stage("end of hold", (_end_of_hold(diff),))
    yield Stage("post hooks", (hook_track(diff, "post"),))
    old_jobs = jobs.clean_track(diff.jobs) if diff.makes_release or diff.jobs.resumed else ()
    clean_up = (*clean_tracks(diff), old_jobs)
    yield Stage("clean up", (*clean_up, _certificates(diff)))
    yield Stage("old images", (tags_track(diff, (*prepare, *clean_up)),))
    # Last: the proxy leaves the project's network then, and requests that old containers still answer would be cut.
    yield Stage("site", ((RemoveSite(project),) if diff.leaves_proxy else (),))


def _repaired_records(diff: Diff) -> Track:
    """Records of deploys that were interrupted: their release went live, or it never did."""
    live, unsettled = diff.observed.live_releases, diff.observed.unsettled
    return tuple(
        Record(
            diff.project.name,
            replace(record, outcome="live" if record.release in live else "interrupted"),
        )
        for record in diff.observed.releases
        if record.outcome == "started" or record.release in unsettled
        if record.services  # one that cannot be read says nothing
    )


def _switch(diff: Diff, author: Author) -> Track:
    project, aliases = diff.project.name, diff.switched if diff.proxied else {}
    steps: list[Step] = []
    if aliases:
        changes = (*diff.starting, *diff.scaled)
        with_port = tuple(
            sorted(one.name for one in changes if one.service.proxied_port and one.name in aliases)
        )
        steps.append(Switch(project, diff.release, aliases, with_port))
    if diff.makes_release:
        steps.append(Record(project, _record(diff, author, "live")))
    elif not aliases and (diff.starting or diff.scaled):
        steps.append(Decide(project))
    return tuple(steps)


def _hold(diff: Diff, author: Author) -> Track:
    purpose = diff.request.purpose
    if not isinstance(purpose, RestoredRelease) or not purpose.hold:
        return ()
    return (SetHold(diff.project.name, Hold(purpose.hold, author.name, author.time)),)


def _end_of_hold(diff: Diff) -> Track:
    ends = diff.request.end_hold and diff.observed.hold is not None
    return (SetHold(diff.project.name, None),) if ends else ()


def _routes(diff: Diff) -> Track:
    site = diff.target_site
    return () if site is None or site == diff.transitional_site else (ApplySite(site, diff.certificate),)


def _switched_jobs(diff: Diff) -> Track:
    """The crontab is written by every release: another user may have deployed the last one, or it may be lost."""
    return jobs.after_switch(diff.jobs, diff.release) if diff.makes_release or diff.jobs.resumed else ()


def _certificates(diff: Diff) -> Track:
    if diff.target_site is None:
        return ()
    files = hosts_to_certify(diff.target_site, diff.observed.site)
    return (AwaitCertificates(files),) if files else ()


def _changes(diff: Diff) -> Iterator[Change]:
    for change in diff.services:
        image = diff.configured_image(change) if change.starts else _first_image(change.current)
        yield Change(change.name, change.action, change.why, image)
    for other in diff.dependencies:
        yield Change(other.name, other.action, other.why, other.dependency.image, "dependency")
    for removed in diff.removed:
        yield Change(removed.name, "removed", "no longer in ftl.yaml", _first_image(removed.containers))
    for job in diff.jobs.changes:
        owner = job.owner
        image = (
            owner.dependency.image if isinstance(owner, DependencyChange) else diff.configured_image(owner)
        )
        yield Change(job.name, job.action, job.why, image, "job")
    for container in diff.jobs.removed:
        image = configured_reference(container.image)
        yield Change(container.labels[labels.JOB], "removed", "no longer in ftl.yaml", image, "job")


def _notes(diff: Diff) -> Iterator[str]:
    for name, image in diff.lost_images.items():
        tag = configured_reference(image)
        yield f"{name} ran {image}, which is not on the server any more: it gets what {tag} stands for now"
    for hook in running_hooks(diff):
        yield (
            f"{hook.name}, a hook that an interrupted deploy started, still runs: it is told to stop, and killed after "
            f"{stop_timeout(diff, hook):g} s (`stop_timeout`); `docker wait {hook.name}` there waits for it"
        )
    for change in diff.dependencies:
        yield from _dependency_notes(diff, change)
    if not diff.request.same_release:
        yield from _scaled_before(diff)
    if diff.target_site is not None and diff.target_site.maintenance is not None:
        yield f"{diff.project.name} is in maintenance: visitors get 503 until `ftl maintenance off`"
    proxy, image = diff.observed.proxy, diff.project.proxy.image
    if diff.proxied and proxy is not None and diff.project.name in proxy.damaged:
        yield "the proxy's file with this project's routes is damaged: it is written again"
    stays = proxy is not None and proxy.running and not diff.request.upgrade_proxy
    if diff.proxied and proxy is not None and stays and proxy.image != image:
        yield (
            f"the server's proxy runs {proxy.image}, this project names {image}: left as it is, since other projects "
            "may use it; `ftl deploy --upgrade-proxy` replaces it"
        )


def _scaled_before(diff: Diff) -> Iterator[str]:
    """Services whose number of containers `ftl scale` has changed, and this takes back."""
    for change in diff.scaled:
        before = recorded_section(diff.observed, "services", change.name)
        if before.get("replicas") == change.service.replicas:
            now = len(change.current)
            wanted = change.service.replicas
            yield f"`ftl scale` had set {change.name} to {now}: it gets {wanted} again, as ftl.yaml says"


def _dependency_notes(diff: Diff, change: DependencyChange) -> Iterator[str]:
    if change.why == STOPPED:
        yield f"{change.name} is stopped, and stays so: `ftl start {change.name}` starts it"
    if change.action != "replaced":
        return
    yield f"{change.name} stops and starts again ({change.why}): open connections to it are cut"
    before = recorded_section(diff.observed, "dependencies", change.name)
    ignored = read_only_at_first(before, change.dependency.to_dict())
    if ignored:
        yield (
            f"{change.name}: {', '.join(ignored)} only counts when the database is first initialised; the existing one "
            "keeps its users and passwords: change them there, too"
        )


def _record(diff: Diff, author: Author, outcome: ReleaseOutcome) -> ReleaseRecord:
    """The record of the release that is made; entries of unchanged services come from the last live one.

    Where the records were lost, they are made from the running containers.
    """
    purpose = diff.request.purpose
    live = [record for record in diff.observed.releases if record.outcome == "live"]
    before = live[-1].services if live else {}
    configured = {service.name for service in diff.project.services}
    changed = {
        change.name: ServiceRecord(
            diff.release, diff.configured_image(change), "", change.source.content, change.desired.config
        )
        for change in diff.starting
    }
    adopted = {
        change.name: _record_of(change.live, change.current[0])
        for change in diff.services
        if not change.starts and change.live and change.name not in before
    }
    kept = {name: entry for name, entry in before.items() if name in configured}
    return ReleaseRecord(
        release=diff.release,
        outcome=outcome,
        started=author.time,
        by=author.name,
        commit=author.commit,
        version=author.version,
        services={**kept, **adopted, **changed},
        dependencies=_dependencies(diff, live[-1].dependencies if live else {}),
        project=_recorded_project(diff),
        origin=author.origin,
        subject=author.subject,
        rollback_of=purpose.release if isinstance(purpose, RestoredRelease) else None,
        environment=diff.project.environment,
    )


def _recorded_project(diff: Diff) -> dict[str, Any]:
    """The resolved ftl.yaml for the record; services that a partial deploy left alone stay as they were recorded."""
    # Nobody's password for a registry is kept on a server; a rollback needs none.
    project = replace(diff.project, registries=()).to_dict()
    only = diff.request.services
    if only:
        sections = [
            section
            if section["name"] in only
            else recorded_section(diff.observed, "services", section["name"])
            for section in project["services"]
        ]
        project["services"] = [dict(section) for section in sections if section]
        known = [
            section
            if section["service"] in only
            else recorded_section(diff.observed, "jobs", section["name"])
            for section in project["jobs"]
        ]
        project["jobs"] = [dict(section) for section in known if section]
    return project


def _dependencies(diff: Diff, before: Mapping[str, DependencyRecord]) -> dict[str, DependencyRecord]:
    records = {}
    for change in diff.dependencies:
        name, image, running = change.name, change.dependency.image, change.current
        if change.starts or running is None:
            records[name] = DependencyRecord(image, "")
        else:
            records[name] = before.get(name) or DependencyRecord(
                image, running.image_id, pull_reference(running.image)
            )
    return records


def _record_of(release: str, container: Container) -> ServiceRecord:
    image = container.image
    return ServiceRecord(
        release,
        configured_reference(image),
        container.image_id,
        container.labels[labels.CONTENT],
        container.labels[labels.CONFIG],
        pull_reference(image),
    )


def _first_image(containers: Sequence[Container]) -> str:
    return configured_reference(containers[0].image) if containers else ""
