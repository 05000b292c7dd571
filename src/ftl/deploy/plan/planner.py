"""Planner: desired project x observed server -> plan. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.references import configured_reference
from ftl.dataclass import dataclass
from ftl.deploy.plan.changes import DependencyChange
from ftl.deploy.plan.checks.major_versions import refuse_major_versions
from ftl.deploy.plan.checks.ownership import (
    refuse_missing_network,
    refuse_other_environment,
    refuse_other_repository,
    refuse_taken_names,
    refuse_worker,
)
from ftl.deploy.plan.checks.previews import refuse_not_preview
from ftl.deploy.plan.checks.unfetched import refuse_without_secrets
from ftl.deploy.plan.compare import compare
from ftl.deploy.plan.exclusive import in_order, refuse_shared_data
from ftl.deploy.plan.model import Plan, PlannedChange, Stage, Track
from ftl.deploy.plan.notes import plan_notes
from ftl.deploy.plan.records.new_record import release_record
from ftl.deploy.plan.records.retention import retention
from ftl.deploy.plan.replacements import with_replacements
from ftl.deploy.plan.rolling_restart import restart_rounds
from ftl.deploy.plan.servers.catch_up import with_live_state
from ftl.deploy.plan.servers.data_writers import refuse_other_writers
from ftl.deploy.plan.servers.moved_data import refuse_moved_data
from ftl.deploy.plan.servers.step_servers import with_servers
from ftl.deploy.plan.start_order import start_levels
from ftl.deploy.plan.steps.images import BringImage, TagPulled
from ftl.deploy.plan.steps.jobs import CheckCron
from ftl.deploy.plan.steps.proxy import ApplySite, AwaitCertificates, RemoveSite, Switch
from ftl.deploy.plan.steps.records import Decide, SetHold, SetPreview, WriteRecord
from ftl.deploy.plan.tracks import jobs
from ftl.deploy.plan.tracks.cleanup import clean_tracks, policy_track, retire_replicas, tags_track
from ftl.deploy.plan.tracks.hooks import hook_track
from ftl.deploy.plan.tracks.notifications import notifications_track, sending_images_track
from ftl.deploy.plan.tracks.prepare import image_tracks, joining_track, prepare_tracks, proxy_tracks
from ftl.deploy.plan.tracks.rollout import dependency_track, reach_track, replacement_track, service_track
from ftl.deploy.plan.tracks.watch import keeps_routes, refuse_unwatchable, watch_track, watched
from ftl.deploy.replicas import number_of, smaller_set
from ftl.engine import labels
from ftl.proxy.project_site import TlsFiles
from ftl.proxy.tls.issuance import hosts_to_certify
from ftl.releases.hold import Hold
from ftl.releases.preview import Preview

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.desired.sources import ImageSource
    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.rolling_restart import RestartedContainer
    from ftl.deploy.plan.steps.base import Step
    from ftl.deploy.request import Author, PlanRequest
    from ftl.engine.values import Container


NO_FILES = TlsFiles()


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """Inputs of a plan from this machine, in addition to the request.

    Attributes:
        sources: Service -> where its image comes from; other services name their image in ftl.yaml.
    """

    author: Author
    sources: Mapping[str, ImageSource]
    files: TlsFiles = NO_FILES


def make_plan(request: PlanRequest, inputs: PlanInputs, observed: Observed) -> Plan:
    """Plan the steps after which the servers run the project.

    Raises:
        UsageError: Another project on the server has one of the routes or names, or another repository or environment
            deploys there under this project's name; a database would start on the data of another major version, or
            something on the data of what stays, or of a container of others.
        ServerError: The cluster has no network of the project.
    """
    refuse_worker(observed)
    refuse_missing_network(observed)
    diff = compare(request, observed, inputs.sources, inputs.files, inputs.author.commit)
    refuse_without_secrets(diff)
    refuse_not_preview(diff)
    refuse_other_repository(diff, inputs.author.origin)
    refuse_other_environment(diff)
    refuse_taken_names(diff)
    refuse_shared_data(diff)
    refuse_major_versions(diff)
    refuse_unwatchable(diff)
    refuse_moved_data(diff)
    refuse_other_writers(diff)
    stages = tuple(
        replace(stage, tracks=tracks)
        for stage in with_replacements(with_servers(_stages(diff, inputs.author), diff))
        if (tracks := tuple(filter(None, stage.tracks)))
    )
    # With only some services others may be left behind: no server may catch up with that state.
    stages = with_live_state(stages, observed, request.project.servers, complete=not request.services)
    policies = policy_track(diff)
    if policies:
        stages = (*stages, *with_servers([Stage("restart policies", (policies,))], diff))
    return Plan(
        server=observed.server,
        project=request.project.name,
        release=diff.release,
        changes=tuple(_changes(diff)),
        stages=stages,
        record=release_record(diff, inputs.author, "started") if diff.makes_release else None,
        notes=tuple(plan_notes(diff)),
        by_address=diff.by_address,
        maintenance=diff.maintenance,
    )


def _stages(diff: Diff, author: Author) -> Iterator[Stage]:
    """The order of a deploy. Nothing before the switch reaches visitors; nothing after it is undone."""
    project = diff.project.name
    begin = (WriteRecord(project, release_record(diff, author, "started")),) if diff.makes_release else ()
    cron: Track = (CheckCron(()),) if diff.request.purpose.preview is not None else ()
    prepare = (*prepare_tracks(diff), *jobs.prepare_tracks(diff.jobs))
    images = tuple(image_tracks(diff))
    # On a server without a proxy, all images travel together, or while that of the proxy is pulled.
    together = any(isinstance(step, BringImage) for track in prepare for step in track)
    # First: a preview that nothing would remove leaves nothing, not even a network.
    yield Stage("cron", (cron,), keeps_data=True)
    yield Stage("prepare", (*prepare, *(images if together else ())), keeps_data=True)
    # Before the record, and all that could have data: the server removes what a deploy that is killed leaves behind.
    yield Stage("preview", (_preview(diff, author),), keeps_data=True)
    # Beside the record: a tag for what the server has changes nothing, and a deploy that fails leaves it to the next.
    only_tags = (track for track in images if all(isinstance(step, TagPulled) for step in track))
    tagged = () if together else tuple(only_tags)
    yield Stage("record", (begin, _repaired_records(diff), *tagged), keeps_data=True)
    sent = () if together else tuple(track for track in images if track not in tagged)
    yield Stage("images", sent, keeps_data=True)
    dependencies = (
        tuple(step for change in track for step in dependency_track(diff, change)) for track in in_order(diff)
    )
    yield Stage("other proxies", tuple(proxy_tracks(diff, issuer=False)))
    yield Stage("dependencies", (*proxy_tracks(diff, issuer=True), *dependencies))
    references = {change.name: diff.service_image(change) for change in diff.starting}
    references |= {
        change.name: diff.dependency_image(change) for change in diff.dependencies if change.starts
    }
    # Only created; and before the hooks: the folder of backups may be missing, as on a disk that is not mounted.
    yield Stage("jobs", tuple(jobs.create_tracks(diff.jobs, diff.release, references)))
    # Migrations run before anything that needs them starts, as in Heroku's release phase and Kamal's pre-deploy hook.
    yield Stage("hooks", (hook_track(diff, "pre"),))
    yield Stage("joining servers", (joining_track(diff),))
    rounds = restart_rounds(diff)
    for number, replacements in enumerate(rounds):
        yield from _round(diff, replacements, begins_part=number > 0)
    for number, level in enumerate(start_levels(diff.services)):
        tracks = tuple(service_track(diff, change) for change in level)
        yield Stage("services", tracks, begins_part=bool(rounds) and not number)
    yield Stage("crontab", ((*_regained_jobs(diff), *jobs.before_switch(diff.jobs)),))
    # Before the switch: a rollback that is killed after it has stopped deploys, which would undo it.
    yield Stage("hold", (_hold(diff, author),))
    yield Stage("reach", tuple(reach_track(diff, change) for change in diff.starting))
    yield Stage("watch", (watch_track(diff, author.name),))
    yield Stage("switch", (_switch(diff, author),), decides=True)
    # Routes that change were switched with the release (`transitional_site`): this drops those of the old one.
    yield Stage("routes", (_routes(diff), _switched_jobs(diff)))
    yield Stage("end of hold", (_end_of_hold(diff),))
    yield Stage("notifications", (notifications_track(diff),))
    yield Stage("post hooks", (hook_track(diff, "post"),))
    made = release_record(diff, author, "live") if diff.makes_release else None
    kept = retention(diff.observed, keep=diff.project.keep_releases, made=made)
    clean_up = (*clean_tracks(diff, kept), _old_jobs(diff))
    yield Stage("clean up", (*clean_up, _certificates(diff)))
    yield Stage("old images", (tags_track(diff, kept, (*prepare, *clean_up)),))
    # Last: requests that old containers still answer would be cut, or could call no other service.
    yield Stage("site", ((RemoveSite(project),) if diff.leaves_proxy else (), _left_network(diff)))
    yield Stage("images for messages", (sending_images_track(diff),))


def _round(diff: Diff, replacements: tuple[RestartedContainer, ...], *, begins_part: bool) -> Iterator[Stage]:
    """Replace one container of each of these services; the others of them get requests meanwhile."""
    yield Stage(
        "services",
        tuple(replacement_track(diff, change, old) for change, old in replacements),
        begins_part=begins_part,
    )
    switch = Switch(
        diff.project.name,
        diff.release,
        {change.name: smaller_set(old) for change, old in replacements},
        tuple(sorted(change.name for change, _ in replacements if change.service.proxied_port)),
        {diff.new_containers(change)[number_of(old) - 1]: old.name for change, old in replacements},
    )
    yield Stage("switch", ((switch,),), decides=True)
    yield Stage(
        "clean up", tuple(retire_replicas(diff, change, [old], change.why) for change, old in replacements)
    )


def _repaired_records(diff: Diff) -> Track:
    """Records of deploys that were interrupted: their release went live, or it never did. And damaged ones."""
    live, undecided, damaged = diff.observed.live_releases, diff.observed.undecided, diff.observed.damaged
    return tuple(
        WriteRecord(diff.project.name, replace(record, outcome="live"))
        if record.release in live
        else WriteRecord(
            diff.project.name,
            replace(record, outcome="interrupted" if record.outcome == "started" else record.outcome),
        )
        for record in diff.observed.releases
        if ((record.outcome == "started" or record.release in undecided) and record.services)
        or f"{record.release}.json" in damaged
    )


def _switch(diff: Diff, author: Author) -> Track:
    project, aliases = diff.project.name, diff.switched if diff.proxied else {}
    steps: list[Step] = []
    if aliases:
        changes = (*diff.starting, *diff.scaled)
        with_port = tuple(
            sorted(
                change.name for change in changes if change.service.proxied_port and change.name in aliases
            )
        )
        steps.append(Switch(project, diff.release, aliases, with_port))
    if diff.makes_release:
        steps.append(WriteRecord(project, release_record(diff, author, "live"), decides=True))
    elif not aliases and (diff.starting or diff.scaled):
        steps.append(Decide(project))
    return tuple(steps)


def _hold(diff: Diff, author: Author) -> Track:
    purpose = diff.request.purpose
    if not purpose.hold:
        return ()
    return (SetHold(diff.project.name, Hold(purpose.hold, author.name, author.time)),)


def _preview(diff: Diff, author: Author) -> Track:
    asked, before = diff.request.purpose.preview, diff.observed.preview
    if asked is None:
        return ()
    preview = Preview(
        until=int(author.time + asked.lifetime),
        since=before.since if before is not None and before.since else author.time,
        name=asked.name,
        of=asked.of,
        url=asked.url,
        by=author.name,
    )
    return (SetPreview(diff.project.name, preview),)


def _end_of_hold(diff: Diff) -> Track:
    ends = diff.request.purpose.end_hold and diff.observed.hold is not None
    return (SetHold(diff.project.name, None),) if ends else ()


def _routes(diff: Diff) -> Track:
    site = diff.target_site
    if site is None or site == diff.transitional_site or keeps_routes(diff):
        return ()
    return (ApplySite(site, diff.certificate, keeps=diff.left_subnets),)


def _left_network(diff: Diff) -> Track:
    """Internal names are answered to the old network's containers no longer."""
    site = diff.target_site
    return (ApplySite(site, diff.certificate),) if site is not None and diff.left_subnets else ()


def _switched_jobs(diff: Diff) -> Track:
    """The crontab is written by every release, for another user may have deployed the last one; and if it is lost."""
    writes = diff.makes_release or diff.jobs.resumed or diff.observed.crontab_differs
    switched = jobs.after_switch(diff.jobs, diff.release) if writes else ()
    left = () if diff.request.purpose.same_release else jobs.leave_track(diff.jobs)
    lost = jobs.lose_track(diff.observed, diff.first_server) if diff.is_whole else ()
    return (*switched, *left, *lost)


def _regained_jobs(diff: Diff) -> Track:
    if diff.is_whole:
        return jobs.regain_track(diff.observed, diff.first_server)
    jobs.refuse_jobless(diff.jobs, diff.observed, diff.first_server)
    return ()


def _old_jobs(diff: Diff) -> Track:
    """Also without a release: a deploy that was interrupted after its switch leaves some."""
    if watched(diff) or (diff.request.purpose.same_release and not diff.jobs.resumed):
        return ()
    return jobs.clean_track(diff.jobs, running=diff.makes_release)


def _certificates(diff: Diff) -> Track:
    if diff.target_site is None:
        return ()
    files = hosts_to_certify(diff.target_site, diff.observed.site)
    return (AwaitCertificates(files),) if files else ()


def _changes(diff: Diff) -> Iterator[PlannedChange]:
    for change in diff.services:
        image = diff.configured_image(change) if change.starts else _first_image(change.current)
        yield PlannedChange(change.name, change.action, change.why, image)
    for dependency in diff.dependencies:
        yield PlannedChange(
            dependency.name, dependency.action, dependency.why, dependency.dependency.image, "dependency"
        )
    for removed in diff.removed:
        yield PlannedChange(removed.name, "removed", diff.gone_why, _first_image(removed.containers))
    for job in diff.jobs.changes:
        owner = job.owner
        image = (
            owner.dependency.image if isinstance(owner, DependencyChange) else diff.configured_image(owner)
        )
        yield PlannedChange(job.name, job.action, job.why, image, "job")
    for container in diff.jobs.removed:
        image = configured_reference(container.image)
        yield PlannedChange(container.labels[labels.JOB], "removed", diff.gone_why, image, "job")


def _first_image(containers: Sequence[Container]) -> str:
    return configured_reference(containers[0].image) if containers else ""
