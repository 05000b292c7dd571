"""A whole deploy: connect, build and observe side by side, plan, take the lock, apply, record."""

from __future__ import annotations

import asyncio
import getpass
import os
import platform as this_platform
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ftl import __version__
from ftl.aio import both
from ftl.deploy import records
from ftl.deploy.apply import apply
from ftl.deploy.choose import chosen
from ftl.deploy.decisions import LocalImage
from ftl.deploy.lock import locked
from ftl.deploy.observed import observe
from ftl.deploy.plan import Author, make_plan
from ftl.deploy.session import Session, open_session
from ftl.deploy.work import Traffic, Work
from ftl.engine import Engine, local_url
from ftl.errors import FtlError, UsageError
from ftl.events import Note, Planned
from ftl.image import build as build_images
from ftl.image import content_id, git_commit, platforms

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from pathlib import Path

    from ftl.config import Project
    from ftl.config.models import Service
    from ftl.deploy.observed import Observed
    from ftl.deploy.steps import Change, Plan
    from ftl.events import Emit

RECORD_SECONDS = 15.0
"""How long writing down a failure may take, when the deploy itself has already failed."""


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """What a deploy did to one service or dependency."""

    image: str
    action: str
    layers_sent: int = 0
    layers_reused: int = 0
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class DeployResult:
    """What a deploy did.

    Attributes:
        release: The release that is live now.
        changed: Whether there was anything to do.
        removed: Services and dependencies that ftl.yaml no longer names.
        urls: Where the project answers.
    """

    server: str
    release: str
    seconds: float
    changed: bool
    services: Mapping[str, ServiceResult] = field(default_factory=dict)
    dependencies: Mapping[str, ServiceResult] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


async def deploy(
    project: Project,
    root: Path,
    *,
    services: Sequence[str] = (),
    build: bool = True,
    emit: Emit,
    lock_wait: float = 0.0,
) -> DeployResult:
    """Bring the server to what the project says, without a failed request.

    Args:
        project: The resolved ftl.yaml.
        root: Its folder: what relative paths start from.
        services: Only these; all when empty.
        build: Build first; otherwise the images of the last build are used.
        emit: Is told all that happens.
        lock_wait: Seconds to wait for another deploy of the project to end.

    Raises:
        UsageError: A service that the project does not have; no built image and `build` is false.
        ServerError, LockHeld, BuildFailed, TransferFailed, Unhealthy, HookFailed, EngineError.
    """
    began = time.monotonic()
    meant = choose(project, services)
    async with open_session(project.server) as session:
        images, observed = await _gather(project, meant, root, session, build=build, emit=emit)
        author = await _author(root)
        plan = make_plan(project, observed, images, author, only=services)
        work = Work(project, root, session.machine, session.engine, session.info, emit)
        try:
            if not plan.empty:
                plan = await _locked_apply(plan, work, images, author, services, session, lock_wait)
        finally:
            await work.close()
    seconds = time.monotonic() - began
    return _result(project, plan, work.traffic, seconds)


async def plan_only(
    project: Project, root: Path, *, services: Sequence[str] = (), build: bool = True, emit: Emit
) -> Plan:
    """What `deploy` would do now. Builds images here, if asked to, and changes nothing on the server."""
    meant = choose(project, services)
    async with open_session(project.server) as session:
        images, observed = await _gather(project, meant, root, session, build=build, emit=emit)
        return make_plan(project, observed, images, await _author(root), only=services)


def choose(project: Project, names: Sequence[str]) -> tuple[Service, ...]:
    """The services that are meant; all of them when none is named. Raises UsageError for a name unknown."""
    meant = chosen(names, [service.name for service in project.services], kind="service")
    return tuple(service for service in project.services if service.name in meant)


async def _gather(
    project: Project,
    meant: Sequence[Service],
    root: Path,
    session: Session,
    *,
    build: bool,
    emit: Emit,
) -> tuple[dict[str, LocalImage], Observed]:
    """Build here and look there at the same time."""
    platforms.remember(project.server.host, session.info.platform)
    platform = session.info.platform
    images, observed = await both(
        _images(project, meant, root, platform, build=build, emit=emit),
        observe(session.engine, session.info, project.name, session.name),
    )
    return images, observed


async def _images(
    project: Project, meant: Sequence[Service], root: Path, platform: str, *, build: bool, emit: Emit
) -> dict[str, LocalImage]:
    """The images of the services that are built here: built now, or as the last build left them."""
    services = [service for service in meant if service.build is not None]
    if not services:
        return {}
    async with Engine(local_url(), name="this machine") as here:
        if build:
            built = await build_images(
                project, services, root=root, engine=here, platform=platform, emit=emit
            )
            return {name: LocalImage(one.image.id, one.content) for name, one in built.items()}
        found = {}
        for service in services:
            reference = f"{project.name}-{service.name}:latest"
            image = await here.image(reference)
            if image is None:
                raise UsageError(
                    f"there is no built image of {service.name} on this machine",
                    hint="leave out --no-build, or run `ftl build` first",
                )
            found[service.name] = LocalImage(image.id, content_id(image))
        return found


async def _locked_apply(
    plan: Plan,
    work: Work,
    images: Mapping[str, LocalImage],
    author: Author,
    only: Sequence[str],
    session: Session,
    lock_wait: float,
) -> Plan:
    """Take the lock, look again (another deploy may have ended meanwhile), and run the plan."""
    project = work.project
    holder = f"{author.name} since {time.strftime('%H:%M:%S')}"
    async with locked(
        session.machine, project.name, holder=holder, wait=lock_wait, emit=work.emit
    ) as beating:
        observed = await observe(session.engine, session.info, project.name, session.name)
        plan = make_plan(project, observed, images, author, only=only)
        for note in plan.notes:
            work.emit(Note(note))
        work.emit(Planned(plan.server, plan.release, tuple(step.text for step in plan.steps)))
        await _while_held(beating, _recorded(plan, work))
    return plan


async def _while_held(beating: asyncio.Task[None], work: Coroutine[None, None, None]) -> None:
    """Run work that may only go on while the lock is held."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, beating}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    if task.cancelled():
        beating.result()
    task.result()


async def _recorded(plan: Plan, work: Work) -> None:
    """Run the plan; what goes wrong is written into the release's record as well."""
    try:
        await apply(plan, work)
    except BaseException as error:
        if work.committed:
            work.emit(
                Note(
                    f"{plan.release} is live, but the deploy did not come to its end",
                    "warning",
                    hint="`ftl deploy` again finishes what is left: old containers, routes, hooks",
                )
            )
        elif plan.record is not None:
            await _record_failure(plan, work, error)
        raise


async def _record_failure(plan: Plan, work: Work, error: BaseException) -> None:
    assert plan.record is not None
    failed = replace(
        plan.record,
        outcome="failed",
        seconds=max(0.0, time.time() - plan.record.started),
        error=error.message if isinstance(error, FtlError) else "interrupted",
    )
    try:
        async with asyncio.timeout(RECORD_SECONDS):
            await records.write(work.engine, plan.project, failed)
    except (FtlError, TimeoutError):
        return  # the server is out of reach: the record stays as "started", which says the same


async def _author(root: Path) -> Author:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "someone"
    return Author(
        f"{user}@{this_platform.node()}", await git_commit(root, os.environ), __version__, time.time()
    )


def _result(project: Project, plan: Plan, traffic: Mapping[str, Traffic], seconds: float) -> DeployResult:
    def told(change: Change) -> ServiceResult:
        one = traffic.get(change.name, Traffic())
        return ServiceResult(change.image, change.action, one.layers_sent, one.layers_reused, one.bytes_sent)

    return DeployResult(
        server=plan.server,
        release=plan.release,
        seconds=seconds,
        changed=not plan.empty,
        services={
            one.name: told(one) for one in plan.changes if one.kind == "service" and one.action != "removed"
        },
        dependencies={one.name: told(one) for one in plan.changes if one.kind == "dependency"},
        removed=tuple(one.name for one in plan.changes if one.action == "removed"),
        urls=urls(project),
    )


def urls(project: Project) -> tuple[str, ...]:
    """Where the project answers, by its routes."""
    scheme = "http" if project.proxy.tls == "off" else "https"
    found = {
        f"{scheme}://{route.host or project.project.domain}{'' if route.path == '/' else route.path}"
        for service in project.services
        for route in service.routes
    }
    return tuple(sorted(found))
