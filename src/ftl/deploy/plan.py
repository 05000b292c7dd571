"""Project x Observed -> Plan: pure. What `ftl plan` prints is what `ftl deploy` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftl.deploy import decisions as decide
from ftl.deploy.checks import dependency_check, service_check
from ftl.deploy.records import ReleaseRecord, ServiceRecord
from ftl.deploy.retiring import clean_tracks, find_gone, names
from ftl.deploy.sites import early_site, final_site
from ftl.deploy.steps import (
    ApplySite,
    Attach,
    BringImage,
    Change,
    EnsureNetwork,
    EnsureProxy,
    EnsureStore,
    EnsureVolume,
    OpenName,
    Outgoing,
    Plan,
    PushPull,
    Record,
    RunHook,
    SendImages,
    Stage,
    StartAgain,
    StartContainers,
    StartDependency,
    Step,
    StopAndRemove,
    StopOld,
    Switch,
    Track,
    WaitHealthy,
)
from ftl.deploy.wanted import aside, container_names, hook_spec, is_aside, release_spec, volume_name
from ftl.engine import labels
from ftl.proxy import project_network, release_alias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.config import Project
    from ftl.deploy.decisions import DependencyDecision, LocalImage, ServiceDecision
    from ftl.deploy.observed import Observed
    from ftl.engine.values import Container, ContainerSpec


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
    only: Sequence[str] = (),
) -> Plan:
    """What has to be done so that the server is as the project says.

    Args:
        project: What is asked for.
        observed: What is there.
        images: The built images on this machine, by service; services that are not here name their image.
        author: Who asks.
        only: Deploy just these services; nothing else is touched, and nothing that vanished is removed.
    """
    return _Planner(project, observed, images, author, tuple(only)).plan()


class _Planner:
    """The comparisons that all parts of a plan share."""

    def __init__(
        self,
        project: Project,
        observed: Observed,
        images: Mapping[str, LocalImage],
        author: Author,
        only: tuple[str, ...],
    ) -> None:
        self.project = project
        self.observed = observed
        self.images = images
        self.author = author
        self.only = only
        chosen = [one for one in project.services if not only or one.name in only]
        self.services = [decide.decide_service(project, one, observed, images) for one in chosen]
        self.dependencies = [decide.decide_dependency(project, one, observed) for one in project.dependencies]
        self.uses_proxy = any(service.port for service in project.services)
        self.starting = [one for one in self.services if one.starts]
        self.gone = () if only else find_gone(project, observed)
        serving = {one.service.name for one in self.services} | {
            service.name for service in project.services if observed.live_release(service.name)
        }
        self.final_site = final_site(project, observed, serving) if self.uses_proxy else None
        self.early_site = early_site(self.final_site, observed) if self.final_site else None
        self.changes_site = self.final_site is not None and (
            observed.proxy is None or observed.proxy.site(project.name) != self.final_site
        )
        self.makes_release = bool(
            self.starting
            or self.changes_site
            or self.gone
            or any(one.action in ("created", "replaced") for one in self.dependencies)
        )
        last = observed.last_number
        self.release = f"r{last + 1}" if self.makes_release else f"r{last}"

    def plan(self) -> Plan:
        stages = (
            Stage("prepare", (*self._prepare_tracks(),)),
            Stage("record", (self._begin(), self._repair())),
            Stage("images", (*self._image_tracks(),)),
            Stage("dependencies", (self._proxy_track(), *map(self._dependency_track, self.dependencies))),
            Stage("services", (*map(self._service_track, self.services),)),
            Stage("hooks", (self._hooks("pre"),)),
            Stage("switch", (self._switch(),), decides=True),
            Stage("routes", (self._routes(),)),
            Stage("post hooks", (self._hooks("post"),)),
            Stage("clean up", (*self._clean_tracks(),)),
        )
        filled = (replace(stage, tracks=tuple(track for track in stage.tracks if track)) for stage in stages)
        return Plan(
            server=self.observed.server,
            project=self.project.name,
            release=self.release,
            changes=tuple(self._changes()),
            stages=tuple(stage for stage in filled if stage.tracks),
            record=self._record("started") if self.makes_release else None,
            notes=tuple(self._notes()),
        )

    # --- before anything starts -----------------------------------------------------------------

    def _prepare_tracks(self) -> Iterator[Track]:
        observed, project = self.observed, self.project
        network = project_network(project.name)
        ground: list[Step] = []
        if network not in {one.name for one in observed.networks}:
            ground.append(EnsureNetwork(project.name, network))
        there = {one.name for one in observed.volumes}
        volumes = (volume_name(project.name, name) for name in project.volumes)
        ground += [EnsureVolume(project.name, name) for name in volumes if name not in there]
        yield tuple(ground)
        yield tuple(self._shared())
        for one in self.services:
            dead = decide.never_live(one)
            if dead:
                yield (
                    StopAndRemove(one.service.name, names(dead), 0.0, "left by a deploy that was cut off"),
                )
        hooks = observed.of_role(labels.ROLE_HOOK)
        if hooks:
            yield (StopAndRemove("hooks", names(hooks), 0.0, "left by a deploy that was cut off"),)

    def _shared(self) -> Iterator[Step]:
        """What all projects on the server share: the proxy, and the place for records."""
        observed = self.observed
        if self.uses_proxy and (observed.proxy is None or not observed.proxy.running):
            image = self.project.proxy.image
            yield from self._bring(image)
            yield EnsureProxy(image)
        if self.makes_release and not any(
            one.labels.get(labels.ROLE) == labels.ROLE_STATE for one in observed.containers
        ):
            if not self.uses_proxy:
                yield from self._bring(self.project.proxy.image)
            yield EnsureStore(self.project.proxy.image)

    def _bring(self, reference: str) -> Iterator[Step]:
        if not self.observed.has_image(reference):
            yield BringImage(reference, self.observed.info.platform)

    def _begin(self) -> Track:
        return (Record(self.project.name, self._record("started")),) if self.makes_release else ()

    def _repair(self) -> Track:
        """Releases that went live, but whose deploy was cut off before it could say so."""
        live = {one.live for one in self.services}
        return tuple(
            Record(self.project.name, replace(record, outcome="live"))
            for record in self.observed.releases
            if record.outcome == "started" and record.release in live
        )

    def _image_tracks(self) -> Iterator[Track]:
        direct = []
        for one in self.starting:
            name, reference = one.service.name, one.service.image
            if name in self.images and reference is None:
                local = self.images[name].id
                direct.append(Outgoing(name, local, self._image_of(one), one.content))
            elif name in self.images and reference is not None:
                yield (PushPull(name, reference, self._image_of(one), self.observed.info.platform),)
        if direct:
            yield (SendImages(tuple(direct)),)
        foreign = [one.service.image for one in self.starting if one.service.name not in self.images]
        foreign += [
            one.dependency.image for one in self.dependencies if one.action in ("created", "replaced")
        ]
        for reference in dict.fromkeys(image for image in foreign if image):
            yield tuple(self._bring(reference))

    def _image_of(self, one: ServiceDecision) -> str:
        """What the image of a service is called on the server."""
        if one.service.name in self.images:
            return f"{self.project.name}-{one.service.name}:{self.release}"
        assert one.service.image is not None
        return one.service.image

    # --- dependencies, services, hooks ----------------------------------------------------------

    def _proxy_track(self) -> Track:
        if self.early_site is None:
            return ()
        network = project_network(self.project.name)
        proxy = self.observed.proxy
        aliases = tuple(sorted({one.service for one in self.early_site.internal}))
        known = proxy.site(self.project.name) if proxy is not None else None
        attached = (
            proxy is not None
            and network in proxy.networks
            and known is not None
            and set(aliases) <= {one.service for one in known.internal}
        )
        steps: list[Step] = [] if attached else [Attach(network, aliases)]
        if known != self.early_site:
            steps.append(ApplySite(self.early_site))
        return tuple(steps)

    def _dependency_track(self, one: DependencyDecision) -> Track:
        name = one.dependency.name
        container = f"{self.project.name}-{name}"
        wait = WaitHealthy(name, (container,), dependency_check(one.dependency))
        if one.action in ("created", "replaced"):
            replaces = one.current.name if one.current else None
            return (StartDependency(name, container, one.wanted.spec, replaces, one.why), wait)
        if one.action == "restarted":
            return (StartAgain(name, (container,)), wait)
        return ()

    def _service_track(self, one: ServiceDecision) -> Track:
        service, name = one.service, one.service.name
        check = service_check(self.project, service)
        if one.action == "restarted":
            return (StartAgain(name, one.stopped), WaitHealthy(name, one.stopped, check))
        if not one.starts:
            return ()
        containers = container_names(self.project.name, name, self.release, service.replicas)
        spec = self._release_spec(one)
        steps: list[Step] = []
        if one.old_first:
            steps.append(StopOld(name, names(one.current), service.stop_timeout))
        steps += [StartContainers(name, containers, spec, one.why), WaitHealthy(name, containers, check)]
        if self.final_site and one.live is None and service.port and not service.routes:
            steps.append(OpenName(self.project.name, name, self._alias(name)))
        return tuple(steps)

    def _release_spec(self, one: ServiceDecision) -> ContainerSpec:
        return release_spec(
            self.project.name,
            one.wanted,
            release=self.release,
            image=self._image_of(one),
            content=one.content,
        )

    def _hooks(self, when: str) -> Track:
        return tuple(step for one in self.starting for step in self._hooks_of(one, when))

    def _hooks_of(self, one: ServiceDecision, when: str) -> Iterator[RunHook]:
        hook = one.service.hooks.pre if when == "pre" else one.service.hooks.post
        if hook is None:
            return
        for where, command in (("local", hook.local), ("remote", hook.remote)):
            if not command:
                continue
            spec = hook_spec(
                self.project.name,
                one.wanted,
                release=self.release,
                image=self._image_of(one),
                command=command,
            )
            name = f"{self.project.name}-{one.service.name}-{self.release}-{when}"
            yield RunHook(
                one.service.name,
                "pre" if when == "pre" else "post",
                "local" if where == "local" else "remote",
                command,
                spec,
                name,
            )

    # --- the switch, and what comes after -------------------------------------------------------

    def _alias(self, service: str) -> str:
        return release_alias(self.project.name, service, self.release)

    def _switch(self) -> Track:
        if not self.makes_release:
            return ()
        steps: list[Step] = []
        if self.starting and self.uses_proxy:
            aliases = {one.service.name: self._alias(one.service.name) for one in self.starting}
            steps.append(Switch(self.project.name, self.release, aliases))
        steps.append(Record(self.project.name, self._record("live")))
        return tuple(steps)

    def _routes(self) -> Track:
        if self.final_site is None or self.final_site == self.early_site:
            return ()
        return (ApplySite(self.final_site),)

    def _clean_tracks(self) -> Iterator[Track]:
        asides = [one.name for one in self.observed.of_role(labels.ROLE_DEPENDENCY) if is_aside(one)]
        asides += [
            aside(one.current.name) for one in self.dependencies if one.current and one.action == "replaced"
        ]
        return clean_tracks(
            self.project,
            self.observed,
            self.services,
            self.gone,
            replaced=asides,
            proxied=self.uses_proxy,
        )

    # --- what is told and recorded --------------------------------------------------------------

    def _changes(self) -> Iterator[Change]:
        for one in self.services:
            image = self._image_of(one) if one.starts else _first_image(one.current)
            yield Change(one.service.name, one.action, one.why, image)
        for dependency in self.dependencies:
            yield Change(
                dependency.dependency.name,
                dependency.action,
                dependency.why,
                dependency.dependency.image,
                "dependency",
            )
        for name, containers in self.gone:
            yield Change(name, "removed", "no longer in ftl.yaml", _first_image(containers))

    def _notes(self) -> Iterator[str]:
        proxy = self.observed.proxy
        if (
            self.uses_proxy
            and proxy is not None
            and proxy.running
            and proxy.image != self.project.proxy.image
        ):
            yield (
                f"the server's proxy runs {proxy.image}, this project names {self.project.proxy.image}: "
                "left as it is, since other projects may use it"
            )

    def _record(self, outcome: str) -> ReleaseRecord:
        ended = [record for record in self.observed.releases if record.outcome == "live"]
        before = ended[-1].services if ended else {}
        services = {
            name: entry
            for name, entry in before.items()
            if name in {one.name for one in self.project.services}
        }
        for one in self.services:
            if one.starts:
                services[one.service.name] = ServiceRecord(
                    self.release, self._image_of(one), "", one.content, one.wanted.config
                )
        return ReleaseRecord(
            release=self.release,
            outcome="live" if outcome == "live" else "started",
            started=self.author.time,
            by=self.author.name,
            commit=self.author.commit,
            version=self.author.version,
            services=services,
            project=self.project.to_dict(),
        )


def _first_image(containers: Sequence[Container]) -> str:
    return containers[0].image if containers else ""
