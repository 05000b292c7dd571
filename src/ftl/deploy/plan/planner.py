"""Project x Observed -> Plan: pure. What `ftl plan` prints is what `ftl deploy` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftl.deploy.apply.external_images import named, pulled
from ftl.deploy.plan.cleanup import clean_tracks
from ftl.deploy.plan.diff import compare
from ftl.deploy.plan.model import Change, Plan, Stage, Track
from ftl.deploy.plan.rollout import (
    dependency_track,
    hook_track,
    image_tracks,
    prepare_tracks,
    proxy_track,
    service_track,
)
from ftl.deploy.plan.specs import aside, is_aside
from ftl.deploy.plan.steps import ApplySite, AwaitCertificates, Record, Step, Switch
from ftl.engine import labels
from ftl.proxy import TlsFiles, newly_certified
from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.config import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import LocalImage
    from ftl.deploy.plan.diff import Comparison
    from ftl.engine import Container
    from ftl.releases.record import Outcome


NO_FILES = TlsFiles()


@dataclass(frozen=True, slots=True)
class Author:
    """Who deploys, and from what: goes into the release record."""

    name: str
    commit: str | None = None
    version: str = ""
    time: float = 0.0


def make_plan(
    project: Project,
    observed: Observed,
    images: Mapping[str, LocalImage],
    author: Author,
    *,
    files: TlsFiles = NO_FILES,
    only: Sequence[str] = (),
    upgrade_proxy: bool = False,
) -> Plan:
    """What has to be done so that the server is as the project says.

    Args:
        project: What is asked for.
        observed: What is there.
        images: The built images on this machine, by service; services that are not here name their image.
        author: Who asks.
        files: The user's own for TLS, if the project names any.
        upgrade_proxy: Replace a proxy that runs, too, where it is another than the project names.
        only: Deploy just these services; nothing else is touched, and nothing that vanished is removed.

    Raises:
        UsageError: Another project on the server has one of the routes.
    """
    compared = compare(project, observed, images, files, only, upgrade_proxy)
    filled = (replace(stage, tracks=tuple(filter(None, stage.tracks))) for stage in _stages(compared, author))
    return Plan(
        server=observed.server,
        project=project.name,
        release=compared.release,
        changes=tuple(_changes(compared)),
        stages=tuple(stage for stage in filled if stage.tracks),
        record=_record(compared, author, "started") if compared.makes_release else None,
        notes=tuple(_notes(compared)),
        by_address=compared.by_address,
    )


def _stages(compared: Comparison, author: Author) -> Iterator[Stage]:
    """The order of a deploy. Nothing before the switch changes what users get; nothing after it is taken back."""
    project = compared.project.name
    begin = (Record(project, _record(compared, author, "started")),) if compared.makes_release else ()
    yield Stage("prepare", tuple(prepare_tracks(compared)))
    yield Stage("record", (begin, _repairs(compared)))
    yield Stage("images", tuple(image_tracks(compared)))
    dependencies = tuple(dependency_track(compared, one) for one in compared.dependencies)
    yield Stage("dependencies", (proxy_track(compared), *dependencies))
    yield Stage("services", tuple(service_track(compared, one) for one in compared.services))
    yield Stage("hooks", (hook_track(compared, "pre"),))
    switch = Stage("switch", (_switch(compared, author),), decides=True)
    routes = Stage("routes", (_routes(compared),))
    # Requests that wait for a port find the new containers there once they are live; those that went out for the
    # old port never would.
    yield from (routes, switch) if compared.moves_port else (switch, routes)
    yield Stage("post hooks", (hook_track(compared, "post"),))
    yield Stage("clean up", (*_clean_up(compared), _certificates(compared)))


def _repairs(compared: Comparison) -> Track:
    """Releases that went live, but whose deploy was cut off before it could say so."""
    live = {one.live for one in compared.services}
    return tuple(
        Record(compared.project.name, replace(record, outcome="live"))
        for record in compared.observed.releases
        if record.outcome == "started" and record.release in live
    )


def _switch(compared: Comparison, author: Author) -> Track:
    if not compared.makes_release:
        return ()
    project = compared.project.name
    steps: list[Step] = []
    if compared.starting and compared.proxied:
        aliases = {one.service.name: compared.alias(one.service.name) for one in compared.starting}
        steps.append(Switch(project, compared.release, aliases))
    steps.append(Record(project, _record(compared, author, "live")))
    return tuple(steps)


def _routes(compared: Comparison) -> Track:
    final = compared.final
    return () if final is None or final == compared.early else (ApplySite(final, compared.certificate),)


def _certificates(compared: Comparison) -> Track:
    if compared.final is None:
        return ()
    files = newly_certified(compared.final, compared.observed.site)
    return (AwaitCertificates(files),) if files else ()


def _clean_up(compared: Comparison) -> Iterator[Track]:
    observed = compared.observed
    asides = [one.name for one in observed.of_role(labels.ROLE_DEPENDENCY) if is_aside(one)]
    asides += [
        aside(one.current.name) for one in compared.dependencies if one.current and one.action == "replaced"
    ]
    return clean_tracks(
        compared.project,
        observed,
        compared.services,
        compared.gone,
        replaced=asides,
        proxied=compared.proxied,
    )


def _changes(compared: Comparison) -> Iterator[Change]:
    for one in compared.services:
        image = compared.image_of(one) if one.starts else _first_image(one.current)
        yield Change(one.service.name, one.action, one.why, image)
    for other in compared.dependencies:
        dependency = other.dependency
        yield Change(dependency.name, other.action, other.why, dependency.image, "dependency")
    for name, containers in compared.gone:
        yield Change(name, "removed", "no longer in ftl.yaml", _first_image(containers))


def _notes(compared: Comparison) -> Iterator[str]:
    for name, image in compared.lost.items():
        yield (
            f"{name} ran {image}, which is not on the server any more: it gets what {named(image)} stands for now"
        )
    proxy, image = compared.observed.proxy, compared.project.proxy.image
    left = proxy is not None and proxy.running and not compared.upgrade_proxy
    if compared.proxied and proxy is not None and left and proxy.image != image:
        yield (
            f"the server's proxy runs {proxy.image}, this project names {image}: left as it is, since other projects "
            "may use it; `ftl deploy --upgrade-proxy` replaces it"
        )


def _record(compared: Comparison, author: Author, outcome: Outcome) -> ReleaseRecord:
    """The record of the release that is made: what did not change is taken over from the last live one.

    Where the records were lost, what runs says it.
    """
    ended = [record for record in compared.observed.releases if record.outcome == "live"]
    before = ended[-1].services if ended else {}
    named = {one.name for one in compared.project.services}
    changed = {
        one.service.name: ServiceRecord(
            compared.release, compared.image_of(one), "", one.content, one.wanted.config
        )
        for one in compared.starting
    }
    adopted = {
        one.service.name: _as_it_runs(one.live, one.current[0])
        for one in compared.services
        if not one.starts and one.live and one.service.name not in before
    }
    return ReleaseRecord(
        release=compared.release,
        outcome=outcome,
        started=author.time,
        by=author.name,
        commit=author.commit,
        version=author.version,
        services={**{name: entry for name, entry in before.items() if name in named}, **adopted, **changed},
        dependencies=_dependencies(compared, ended[-1].dependencies if ended else {}),
        # Nobody's password for a registry is kept on a server; a rollback needs none.
        project=replace(compared.project, registries=()).to_dict(),
    )


def _dependencies(
    compared: Comparison, before: Mapping[str, DependencyRecord]
) -> dict[str, DependencyRecord]:
    found = {}
    for one in compared.dependencies:
        name, image, runs = one.dependency.name, one.dependency.image, one.current
        if one.starts or runs is None:
            found[name] = DependencyRecord(image, "")
        else:
            found[name] = before.get(name) or DependencyRecord(image, runs.image_id, pulled(runs.image))
    return found


def _as_it_runs(release: str, container: Container) -> ServiceRecord:
    marks, image = container.labels, container.image
    content, config = marks[labels.CONTENT], marks[labels.CONFIG]
    return ServiceRecord(release, named(image), container.image_id, content, config, pulled(image))


def _first_image(containers: Sequence[Container]) -> str:
    return named(containers[0].image) if containers else ""
