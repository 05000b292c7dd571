"""Observed state of a server, or of the servers of a cluster, as one project sees it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ftl.common.references import as_listed, familiar
from ftl.dataclass import dataclass
from ftl.deploy.names import is_parked
from ftl.deploy.replicas import generation_of, reached_by
from ftl.engine import labels
from ftl.proxy.names import overlay_network, project_network
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.common.json_fields import Json
    from ftl.engine.values import Container, EngineInfo, Image, Network, Volume
    from ftl.proxy.site import Site
    from ftl.proxy.state import ProxyState
    from ftl.releases.audit import AuditEntry
    from ftl.releases.hold import Hold
    from ftl.releases.preview import Preview
    from ftl.releases.record import ReleaseRecord
    from ftl.releases.watch import ReleaseWatch


@dataclass(frozen=True, slots=True)
class ServerView:
    """One server of a cluster, or the only one, as one project sees it.

    Attributes:
        name: Its name in the fleet; empty for a project's only server.
        web: Whether it has a proxy.
        manager: Whether it has release records.
        drained: Whether the Swarm places no tasks there (`ftl servers drain`).
        cut_off: Whether the cluster's managers do not reach it, though it answers.
        notify: Where it sends messages by itself (`ftl.releases.store.write_notify`).
        networks: Those that it has: its own, and of overlays at least those of its containers.
        jobs: Jobs whose runs are stored there.
        lacks: Records of releases that other managers have, or have as they were changed since.
        lacks_hold: Whether it has not heard of the hold, or of its end.
    """

    name: str
    web: bool
    manager: bool
    info: EngineInfo
    containers: tuple[Container, ...]
    images: tuple[Image, ...]
    volumes: tuple[Volume, ...]
    proxy: ProxyState | None
    drained: bool = False
    cut_off: bool = False
    notify: bytes = field(default=b"", repr=False)
    networks: tuple[Network, ...] = ()
    jobs: tuple[str, ...] = ()
    lacks: tuple[ReleaseRecord, ...] = field(default=(), repr=False)
    lacks_hold: bool = False

    def has_image(self, reference: str) -> bool:
        """Whether the server has an image: by digest where the reference has one, else by tag.

        Engines list a container by its image's name as long as that stands for the image, else by the image's ID.
        With the containerd store this tells of images that `GET /images/json` leaves out: those of which a layer was
        not downloaded since another image had it unpacked already (seen on 26.1).
        """
        wanted = as_listed(reference)
        return any(
            wanted in map(familiar, (*image.tags, *image.digests)) or image.id == reference
            for image in self.images
        ) or any(wanted == as_listed(container.image) for container in self.containers)


@dataclass(frozen=True, slots=True)
class Observed:
    """A server, or the servers of a cluster, as one project sees them.

    Attributes:
        server: Its name, or theirs.
        containers: Every container there, of other projects and of nobody too; one for each replica of a Swarm service.
        networks: Every network there; of several servers those of all, an overlay once.
        releases: Release records, oldest first.
        hold: Why deploys of the project are stopped, if they are.
        hold_time: When that was set or ended; 0 where it never was.
        audit: Earlier changes of the project, oldest first.
        preview: Set where the project is a preview.
        jobs: Jobs whose runs are stored on the only server; each of several has those of its own (`views`).
        undecided: Live releases whose record on the server still says "started" (`with_outcomes`).
        watches: Release -> its watch (`ftl deploy --watch`), of those that have or had one.
        policies: ID -> restart policy of containers that may have another than their label says, or have no label.
        notify: Where the only server sends messages by itself; each of several has that of its own (`views`).
        views: The servers of a cluster that answer, in the order of ftl.yaml; empty with one server.
        down: Those that do not.
        unreachable: Those of `down` that are not down for the Swarm -> their state there: only we do not reach them,
            or it has not noticed yet.
        joining: Those of `views` on which the Swarm places nothing of the project before a deploy brings the images.
        unseen: Servers that the Swarm knows as the project's, and that are none of `views`.
        unlisted: Those of them that ftl.yaml does not name, until `ftl setup` has taken them out -> whether the Swarm
            places tasks there.
        workers: Servers that are no managers.
        jobless: Servers that have lost their jobs to another one while they did not answer.
        left_configs: Whether the Swarm has configs of the project from when it had several servers.
        crontab_differs: Whether the crontab, or the script that it starts, is not as the live jobs want it.
        check_lost: Whether the crontab does not start the daily check of the certificates that `notify` names.
        damaged: Files of the release records whose newest content is lost, as by a power cut.
        live_published: Whether the live state is in a single Swarm config, for servers that come back.
    """

    server: str
    info: EngineInfo
    project: str
    containers: tuple[Container, ...] = ()
    images: tuple[Image, ...] = ()
    networks: tuple[Network, ...] = ()
    volumes: tuple[Volume, ...] = ()
    proxy: ProxyState | None = None
    releases: tuple[ReleaseRecord, ...] = ()
    hold: Hold | None = None
    audit: tuple[AuditEntry, ...] = ()
    preview: Preview | None = None
    jobs: tuple[str, ...] = ()
    undecided: frozenset[str] = frozenset()
    policies: Mapping[str, str] = field(default_factory=dict)
    watches: Mapping[str, ReleaseWatch] = field(default_factory=dict)
    notify: bytes = field(default=b"", repr=False)
    views: tuple[ServerView, ...] = ()
    down: tuple[str, ...] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)
    joining: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    unlisted: Mapping[str, bool] = field(default_factory=dict)
    workers: frozenset[str] = frozenset()
    jobless: frozenset[str] = frozenset()
    crontab_differs: bool = False
    check_lost: bool = False
    live_published: bool = True
    left_configs: bool = False
    hold_time: float = 0.0
    damaged: tuple[str, ...] = ()

    @property
    def is_cluster(self) -> bool:
        """Whether there are several servers, with Swarm services."""
        return bool(self.views)

    @property
    def network(self) -> str:
        """Name of the project's network."""
        return overlay_network(self.project) if self.is_cluster else project_network(self.project)

    @property
    def servers(self) -> tuple[ServerView, ...]:
        """The servers that answer; the only one as well."""
        if self.views:
            return self.views
        own = (self.containers, self.images, self.volumes, self.proxy)
        return (ServerView("", True, True, self.info, *own, notify=self.notify, jobs=self.jobs),)

    @property
    def issuer(self) -> str:
        """The server of a cluster whose proxy gets certificates; empty with one server."""
        if not self.is_cluster:
            return ""
        # Certificates reach the others through the managers.
        by_rank = sorted(self.proxies, key=lambda view: (view.cut_off, not view.manager))
        return by_rank[0].name if by_rank else ""

    @property
    def proxies(self) -> tuple[ServerView, ...]:
        """The servers that answer and have a proxy."""
        return tuple(server for server in self.servers if server.web)

    def of_role(self, role: str) -> tuple[Container, ...]:
        """The project's own containers of one role."""
        return tuple(
            container
            for container in self.containers
            if container.project == self.project and container.role == role
        )

    @property
    def services(self) -> tuple[Container, ...]:
        """The project's service containers, of every release."""
        return self.of_role(labels.ROLE_SERVICE)

    @property
    def dependencies(self) -> Mapping[str, Container]:
        """The project's dependencies by name; of several containers of one, the newest that runs."""
        active = (container for container in self.of_role(labels.ROLE_DEPENDENCY) if not is_parked(container))
        by_age = sorted(active, key=lambda container: (container.state == "running", container.created))
        return {container.labels[labels.SERVICE]: container for container in by_age}

    @property
    def doubled_dependencies(self) -> tuple[Container, ...]:
        """Further containers of dependencies, on other servers: one that was away came back with it.

        All of one dependency answer to its name in the network.
        """
        first = self.dependencies.values()
        every = self.of_role(labels.ROLE_DEPENDENCY)
        return tuple(one for one in every if not is_parked(one) and one not in first)

    @property
    def parked_dependencies(self) -> tuple[Container, ...]:
        """Dependencies' containers that an interrupted deploy had parked while it replaced them."""
        return tuple(container for container in self.of_role(labels.ROLE_DEPENDENCY) if is_parked(container))

    @property
    def live_releases(self) -> set[str]:
        """The releases that serve at least one service."""
        services = {container.labels[labels.SERVICE] for container in self.services}
        return {release for service in services if (release := self.live_release(service))}

    def server_of(self, container: Container) -> str:
        """The server of a cluster that a container is on; empty for a replica of a Swarm service."""
        return next((view.name for view in self.views if container in view.containers), "")

    def has_image(self, reference: str) -> bool:
        """Whether all servers that answer have an image: see `ServerView.has_image`."""
        return all(server.has_image(reference) for server in self.servers)

    @property
    def site(self) -> Site | None:
        """The project's site as it applies now.

        A deploy that was killed may have left the routes of two releases.
        """
        site = self.proxy.site(self.project) if self.proxy is not None else None
        return site.by_live_files(self.proxy.live) if self.proxy is not None and site is not None else None

    @property
    def last_number(self) -> int:
        """The highest release number that was ever given, by record or by container."""
        numbers = [record.number for record in self.releases]
        numbers += [release_of(container) for container in (*self.services, *self.of_role(labels.ROLE_HOOK))]
        return max(numbers, default=0)

    @property
    def live_record(self) -> ReleaseRecord | None:
        """The record of the release that went live last."""
        return next((record for record in reversed(self.releases) if record.outcome == "live"), None)

    def live_sections(self, key: str) -> list[Json]:
        """The sections of a list of ftl.yaml, by the last live release's record; none without one."""
        live = self.live_record
        return live.sections(key) if live is not None else []

    @property
    def live_number(self) -> int:
        """The number of the current release: the highest one that went live; 0 without any."""
        numbers = [record.number for record in self.releases if record.outcome == "live"]
        numbers += [release_number(release) for release in self.live_releases]
        return max(numbers, default=0)

    def live_release(self, service: str) -> str | None:
        """Live release of a service: by live file, else by record, else by running containers."""
        return self._switched_to(service) or self._recorded(service) or self._adopted(service)

    def serves(self, service: str) -> bool:
        """Whether containers of the service's live release exist: records answer no requests."""
        return bool(self.live_containers(service))

    def live_containers(self, service: str) -> tuple[Container, ...]:
        """The containers of a service that requests go to.

        Without a live file they are those of its live release: of its oldest generation that runs. A newer one beside
        it is of a restart that was killed, perhaps before it was healthy.
        """
        reached = self._reached(service)
        if reached:
            return reached
        live = self.live_release(service)
        own = [
            container for container in self.containers_of(service) if container.labels[labels.RELEASE] == live
        ]
        running = [container for container in own if container.state == "running"]
        oldest = min(map(generation_of, running or own), default=1)
        return tuple(container for container in own if generation_of(container) == oldest)

    def live_alias(self, service: str) -> str:
        """Alias that the live file of a service holds; empty where it leads to no container."""
        alias = self.proxy.live.get((self.project, service), "") if self.proxy is not None else ""
        return alias if self._reached(service) else ""

    def _reached(self, service: str) -> tuple[Container, ...]:
        alias = self.proxy.live.get((self.project, service)) if self.proxy is not None else None
        return reached_by(alias, self.containers_of(service)) if alias else ()

    def _switched_to(self, service: str) -> str | None:
        reached = self._reached(service)
        return reached[0].labels[labels.RELEASE] if reached else None

    def _recorded(self, service: str) -> str | None:
        for record in reversed(self.releases):
            if record.outcome == "live" and service in record.services:
                return record.services[service].release
        return None

    def _adopted(self, service: str) -> str | None:
        """The newest running release (complete, if one is) without a record: live before the records were lost.

        A release that a record calls started or failed was never live.
        """
        recorded = {record.release for record in self.releases}
        states: dict[str, list[bool]] = {}
        for container in self.containers_of(service):
            release = container.labels[labels.RELEASE]
            if release not in recorded:
                states.setdefault(release, []).append(container.state == "running")
        running = [release for release, runs in states.items() if any(runs)]
        return max(running, key=lambda release: (all(states[release]), release_number(release)), default=None)

    def containers_of(self, service: str) -> tuple[Container, ...]:
        """The containers of a service, of every release."""
        return tuple(container for container in self.services if container.labels[labels.SERVICE] == service)


def release_of(container: Container) -> int:
    """The number of the release that started a container."""
    return release_number(container.labels.get(labels.RELEASE, ""))
