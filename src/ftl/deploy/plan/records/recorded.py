"""Restore: the project and the images of an earlier release, read from its record. Pure."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, TypeVar

from ftl.common.next_step import ftl
from ftl.config.models.project import Project, Server
from ftl.dataclass import dataclass
from ftl.deploy.plan.desired.sources import ImageOnServer, PinnedImage
from ftl.deploy.plan.pins import with_digest
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from ftl.releases.pruned import CAUSE, HINT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.config.models.project import ClusterServer, Service
    from ftl.config.models.service import Hook, Hooks
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.desired.sources import ImageSource
    from ftl.releases.record import ReleaseRecord, ServiceRecord


@dataclass(frozen=True, slots=True)
class RecordedImages:
    """The images of a release, as far as they still exist.

    Attributes:
        missing: Services whose image is not on the server any more, and in no registry.
    """

    sources: Mapping[str, ImageSource] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    pulled_again: tuple[str, ...] = ()


def recorded_project(record: ReleaseRecord, server: Server) -> Project:
    """The project as a release deployed it, without anything that would act on this machine.

    Others who may use the server's engine can write its records. So the commands of registries and secrets, and hooks
    that run here, are left out: those of a checkout of the repository alone are run. The server is given as this
    machine reaches it.

    Raises:
        UsageError: The record has no project: the release is no longer kept.
        FtlError: A newer FTL wrote it in a form that this one does not know.
    """
    if not record.project:
        raise UsageError(
            f"{record.release} is no longer kept",
            hint=f"{ftl('releases')} lists those that are; `keep_releases` in ftl.yaml sets how many stay",
        )
    try:
        project = Project.from_dict(record.project)
        services = tuple(replace(service, hooks=_remote_hooks(service.hooks)) for service in project.services)
        return replace(
            project,
            server=server,
            services=services,
            registries=(),
            notify=(),
            secrets=(),
            secret_values={
                f"{record.release}.{number}": value for number, value in enumerate(record.secrets)
            },
            secret_texts=record.secret_texts,
            environment=record.environment,
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise FtlError(
            f"the record of {record.release} cannot be read",
            cause=str(error),
            hint=f"FTL {record.version} wrote it: use that version",
        ) from error


def _remote_hooks(hooks: Hooks) -> Hooks:
    """The hooks that run on the server."""

    def remote(hook: Hook | None) -> Hook | None:
        return None if hook is None or hook.remote is None else replace(hook, local=None)

    return replace(hooks, pre=remote(hooks.pre), post=remote(hooks.post))


E = TypeVar("E", bound=FtlError)


def not_deployed(project: str, server: str, error: type[E]) -> E:
    """The error of a command that needs a live release: a `UsageError`, or one with exit code 1."""
    return error(f"{project} is not deployed on {server}", hint=f"{ftl('deploy')} creates the first release")


def live_record(observed: Observed) -> ReleaseRecord:
    """The record of the live release.

    Raises:
        UsageError: Nothing was deployed yet.
        FtlError: Something was, and its records cannot be read: a dry run does not create their container anew.
    """
    record = observed.live_record
    if record is None and observed.services and not observed.releases:
        raise FtlError(
            f"the release records of {observed.project} on {observed.server} cannot be read",
            cause=CAUSE,
            hint=HINT,
        )
    if record is None:
        raise not_deployed(observed.project, observed.server, UsageError)
    return record


def first_servers(observed: Observed) -> frozenset[str]:
    """Servers that were the first one in a release that went live, as far as records tell."""
    lists = (record.project.get("servers") for record in observed.releases if record.outcome == "live")
    firsts = (servers[0] for servers in lists if isinstance(servers, list) and servers)
    return frozenset(str(first.get("host", "")) for first in firsts if isinstance(first, dict))


def live_project(observed: Observed, server: Server) -> tuple[ReleaseRecord, Project]:
    """The record of the live release, and its project.

    Raises:
        UsageError: Nothing was deployed yet.
    """
    record = live_record(observed)
    project = recorded_project(record, server)
    refuse_other_kind(observed, project, record)
    return record, project


def refuse_other_kind(observed: Observed, project: Project, record: ReleaseRecord) -> None:
    """Refuse a release of one server where there is a cluster now, and the reverse.

    Raises:
        UsageError: Its containers are in another network.
    """
    if observed.is_cluster != project.is_cluster:
        before = "several servers" if project.is_cluster else "one server"
        raise UsageError(
            f"{record.release} was deployed to {before}",
            hint=f"{ftl('deploy')} creates the first release here",
        )


def on_servers(project: Project, servers: Sequence[ClusterServer]) -> Project:
    """A recorded project on the servers of its cluster today; without any as recorded.

    Servers may have joined since, or left: the connections are to those of today.
    """
    return replace(project, servers=tuple(servers)) if servers else project


def recorded_images(observed: Observed, project: Project, record: ReleaseRecord) -> RecordedImages:
    """Find the image of each service of a release."""
    sources: dict[str, ImageSource] = {}
    missing, again = [], []
    for service in project.services:
        entry = record.services.get(service.name)
        source = None if entry is None else _source(observed, service, entry)
        if source is None:
            missing.append(service.name)
            continue
        sources[service.name] = source
        if isinstance(source, PinnedImage) and not observed.has_image(source.reference):
            again.append(service.name)
    return RecordedImages(sources, tuple(missing), tuple(again))


def is_kept(observed: Observed, record: ReleaseRecord) -> bool:
    """Whether a release was live, and its images still exist: a rollback to it is possible."""
    if record.outcome != "live" or not record.project:
        return False
    try:
        return not recorded_images(observed, recorded_project(record, Server(host="")), record).missing
    except FtlError:
        return False


def _source(observed: Observed, service: Service, entry: ServiceRecord) -> ImageSource | None:
    if service.build is None:
        return _named(observed, service.image or entry.image, entry)
    present = _reference_on_server(observed, service.name, entry)
    if present:
        return ImageOnServer(present, entry.content)
    return PinnedImage(entry.image, entry.pulled, entry.content) if entry.pulled else None


def _named(observed: Observed, name: str, entry: ServiceRecord) -> PinnedImage | None:
    if entry.pulled:
        return PinnedImage(name, with_digest(name, entry.pulled.partition("@")[2]), entry.content)
    if _id_of(observed, name) == entry.image_id or not entry.image_id:
        return PinnedImage(name, name, entry.content) if observed.has_image(name) else None
    return PinnedImage(name, entry.image_id, entry.content) if observed.has_image(entry.image_id) else None


def _reference_on_server(observed: Observed, service: str, entry: ServiceRecord) -> str:
    """Tag, ID or digest by which the server has a built image; empty if it does not."""
    tagged = _id_of(observed, entry.image)
    if tagged and tagged == (entry.image_id or tagged):
        return entry.image
    running = (
        container.image_id
        for container in observed.services
        if container.labels[labels.SERVICE] == service
        and container.labels.get(labels.CONTENT) == entry.content
    )
    candidates = (entry.image_id, entry.pulled, *running, *_of_equal_images(observed, service, entry))
    return next((name for name in candidates if name and observed.has_image(name)), "")


def _of_equal_images(observed: Observed, service: str, entry: ServiceRecord) -> Iterator[str]:
    """IDs of images with the content of a recorded one, newest first: builds differ in their commit, too."""
    for record in reversed(observed.releases):
        other = record.services.get(service)
        if other is not None and entry.content and other.content == entry.content:
            yield other.image_id or _id_of(observed, other.image)


def _id_of(observed: Observed, tag: str) -> str:
    return next((image.id for image in observed.images if tag in image.tags), "")
