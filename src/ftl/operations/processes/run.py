"""A command in a new container of a release, attached to FTL's own streams or detached."""

from __future__ import annotations

import math
import os
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.common.figures import duration
from ftl.common.next_step import ftl
from ftl.common.suggestions import select_names
from ftl.dataclass import dataclass
from ftl.deploy.observe.swarm import located_container
from ftl.deploy.plan.desired.sources import ImageOnServer, PinnedImage
from ftl.deploy.plan.desired.specs import release_task, release_variables, service_container
from ftl.deploy.plan.records.recorded import not_deployed, recorded_images, recorded_project
from ftl.deploy.repaired import observe_repaired
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.operations.processes.attached import attach, detach
from ftl.operations.processes.exec import NOT_FOUND, SHELL, no_shell
from ftl.operations.watchdog import watched

if TYPE_CHECKING:
    from typing import Literal

    from ftl.config.models.project import ClusterServer, Project, Server, Service
    from ftl.deploy.observe.observer import Observe
    from ftl.deploy.observe.state import Observed
    from ftl.engine.specs import ContainerSpec
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.releases.record import ReleaseRecord

ATTACHED_SECONDS = 24 * 3600.0
"""Time to live of an attached command, unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A command to run.

    Attributes:
        service: The service whose image, env and volumes it gets.
        command: The arguments of the image's entrypoint; empty: a shell in place of that.
        release: The release; None: the live one.
        kind: "detached" leaves it running.
        seconds: Time to live, which the server counts in whole seconds; None: ATTACHED_SECONDS, or for ever if it is
            detached.
        environment: Name of the environment, for releases whose record lacks it: FTL before 0.2 wrote none.
        servers: Those of its cluster; empty with one server.
        on: The one of them that it runs on; empty: one where the service runs.
    """

    project: str
    server: Server
    service: str
    command: tuple[str, ...] = ()
    release: str | None = None
    kind: Literal["detached", "pipes", "terminal"] = "pipes"
    seconds: float | None = None
    environment: str = ""
    servers: tuple[ClusterServer, ...] = ()
    on: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A command that ran, or was started.

    Attributes:
        status: The exit status; 0 for a detached command that started.
    """

    container: str
    status: int


async def run_command(request: RunRequest, fleet: Fleet, observe: Observe, emit: Emit) -> RunResult:
    """Run a command in a fresh container, which is removed at its end.

    Everything comes from the release's record on the server, and nothing from this machine. Notes name the server of
    several, and say when the time to live is over.

    Raises:
        UsageError: There is no such service or release, or its image is gone.
        FtlError: Nothing is deployed; the container cannot be created or started; or no command was given, and the
            image has no shell.
        ServerError: The connection was lost. A command that is not detached then ends, too.
    """
    observed = await observe_repaired(observe, fleet, request.project, request.servers)
    server = choose_server(request, observed)
    session, observed = fleet.require(server), _at(observed, server)
    spec = _spec(request, observed)
    if server:
        emit(Note(f"{request.service} on {server}"))
    name = f"{request.project}-{request.service}-run-{secrets.token_hex(4)}"
    unlimited = 0.0 if request.kind == "detached" else ATTACHED_SECONDS
    seconds = unlimited if request.seconds is None else request.seconds
    began = time.monotonic()
    created: list[str] = []

    async def create() -> None:
        created.append(await session.engine.create(name, spec))

    limit = str(math.ceil(seconds))
    if request.kind == "detached":
        async with watched(session.machine, "detached", name, limit):
            await shielded(create())
            status = await detach(session.machine, "run.sh", "ftl-run", "detached", name, limit)
    else:
        status = await attach(
            session.machine,
            "run.sh",
            "ftl-run",
            *("attached", name),
            terminal=request.kind == "terminal",
            watchdog=("run", name, limit),
            emit=emit,
            prepare=lambda: shielded(create()),
        )
    if status:
        for container in created:
            await shielded(session.engine.remove(container, force=True))  # it may never have started
        if seconds and time.monotonic() - began >= seconds:
            emit(Note(f"its time limit of {duration(seconds)} was reached", hint="`--ttl` sets another one"))
        if not request.command and status in NOT_FOUND and not await _has_shell(session, observed, spec):
            raise no_shell(request.service, f"ftl run {request.service}")
    return RunResult(name, status)


def choose_server(request: RunRequest, observed: Observed) -> str:
    """The server of a cluster that a command runs on; empty with one server. Pure.

    One where the service's live release runs, else one where it may run; one that has the image before others.

    Raises:
        UsageError: There is no such service or release.
        FtlError: Nothing is deployed.
    """
    if not observed.is_cluster or request.on:
        return request.on
    record, project, service = _recorded(request, observed)
    located = [located_container(observed, container) for container in observed.live_containers(service.name)]
    running = [each[0] for each in located if each is not None and each[1].state == "running"]
    up = [view.name for view in observed.views]
    servers = [
        server for server in dict.fromkeys((*running, *project.servers_for(service))) if server in up
    ] or up

    def lacks_image(server: str) -> bool:
        return service.name not in recorded_images(_at(observed, server), project, record).sources

    return min(servers, key=lacks_image)  # the first of the best


def _at(observed: Observed, server: str) -> Observed:
    """A cluster narrowed to one server's containers and images."""
    if not observed.is_cluster:
        return observed
    views = tuple(view for view in observed.views if view.name == server)
    containers = tuple(container for view in views for container in view.containers)
    images = tuple(image for view in views for image in view.images)
    return replace(observed, server=server, views=views, containers=containers, images=images)


def _spec(request: RunRequest, observed: Observed) -> ContainerSpec:
    """The container, with the recorded settings and an image that the server has.

    Raises:
        UsageError: There is no such service or release, or its image is gone.
    """
    record, project, service = _recorded(request, observed)
    source = recorded_images(observed, project, record).sources.get(service.name)
    image = ""
    if isinstance(source, ImageOnServer) or (
        isinstance(source, PinnedImage) and observed.has_image(source.reference)
    ):
        image = source.reference
    if not image:
        raise UsageError(
            f"the image of {service.name} in {record.release} is no longer on {observed.server}",
            hint=f"{ftl('releases')} lists the releases whose images are",
        )
    desired = service_container(project, service)
    variables = release_variables(
        service.name,
        release=record.release,
        commit=record.commit,
        environment=record.environment or request.environment,
    )
    task = release_task(
        request.project, desired, labels.ROLE_RUN, release=record.release, variables=variables
    )
    terminal = {"TERM": os.environ.get("TERM") or "xterm"} if request.kind == "terminal" else {}
    return replace(
        task,
        image=image,
        entrypoint=task.entrypoint if request.command else SHELL[:1],
        command=request.command or SHELL[1:],
        env={**terminal, **task.env},
        once=request.kind,
    )


def _recorded(request: RunRequest, observed: Observed) -> tuple[ReleaseRecord, Project, Service]:
    """The record of the release, its project, and the service in it."""
    record = _record(request, observed)
    project = recorded_project(record, request.server)
    select_names([request.service], [service.name for service in project.services], kind="service")
    return record, project, next(each for each in project.services if each.name == request.service)


def _record(request: RunRequest, observed: Observed) -> ReleaseRecord:
    records = {record.release: record for record in observed.releases}
    if request.release is not None:
        select_names([request.release], list(records), kind="release")
        return records[request.release]
    live = observed.live_record
    if live is None:
        raise not_deployed(request.project, observed.server, FtlError)
    return live


async def _has_shell(session: Session, observed: Observed, spec: ContainerSpec) -> bool:
    """Whether the image has a shell, by one of its containers; true where there is none to look at."""
    for container in observed.services:
        same = container.labels.get(labels.SERVICE) == spec.labels[labels.SERVICE]
        if same and container.image == spec.image:
            return await session.engine.get_archive(container.id, "/bin/sh") is not None
    return True
