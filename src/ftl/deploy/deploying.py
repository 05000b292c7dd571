"""A whole deploy: connect, gather, plan, apply, and what it came to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ftl.config.select import select_services
from ftl.deploy.apply.context import Traffic, Work
from ftl.deploy.plan.sites import read_files
from ftl.deploy.request import gather
from ftl.deploy.under_lock import apply_under_lock
from ftl.host.lock import holder_of
from ftl.host.session import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config import Project
    from ftl.deploy.plan.model import Change, Plan
    from ftl.events import Emit
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """What a deploy did to one service or dependency."""

    image: str
    action: str
    layers_sent: int = 0
    layers_reused: int = 0
    bytes_sent: int = 0
    bytes_saved: int = 0


@dataclass(frozen=True, slots=True)
class DeployResult:
    """What a deploy did.

    Attributes:
        release: The release that is live now.
        changed: Whether there was anything to do.
        removed: Services and dependencies that ftl.yaml no longer names.
        urls: Where the project answers.
        by_address: Whether it answers by the server's address as well, as the only project there with routes.
    """

    server: str
    release: str
    seconds: float
    changed: bool
    services: Mapping[str, ServiceResult] = field(default_factory=dict)
    dependencies: Mapping[str, ServiceResult] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    by_address: bool = False


async def deploy(
    project: Project,
    root: Path,
    machine: Machine,
    *,
    services: Sequence[str] = (),
    build: bool = True,
    upgrade_proxy: bool = False,
    emit: Emit,
    lock_wait: float = 0.0,
) -> DeployResult:
    """Bring the server to what the project says, without a failed request.

    Args:
        project: The resolved ftl.yaml.
        root: Its folder: what relative paths start from.
        machine: Its server, not entered yet.
        services: Only these; all when empty.
        build: Build first; otherwise the images of the last build are used.
        upgrade_proxy: Replace a proxy that runs, too, where it is another than the project names.
        emit: Is told all that happens.
        lock_wait: Seconds to wait for another deploy of the project to end.

    Raises:
        UsageError: A service that the project does not have; no built image and `build` is false.
        ConfigError: A certificate or key that cannot be read, or cannot serve the routes.
        ServerError, LockHeld, BuildFailed, TransferFailed, Unhealthy, HookFailed, EngineError.
    """
    select_services(project, services)  # before anything is asked of a server
    files = read_files(project, root)
    began = time.monotonic()
    async with open_session(machine) as session:
        request, observed = await gather(
            project,
            root,
            session,
            files=files,
            only=services,
            build=build,
            upgrade_proxy=upgrade_proxy,
            emit=emit,
        )
        plan = request.plan(observed)
        work = Work(project, root, session.machine, session.engine, session.info, emit)
        try:
            if not plan.empty:
                plan = await apply_under_lock(request, work, session, lock_wait=lock_wait)
        finally:
            await work.close()
    return _result(project, plan, work.traffic, time.monotonic() - began)


async def plan_only(
    project: Project,
    root: Path,
    machine: Machine,
    *,
    services: Sequence[str] = (),
    build: bool = True,
    upgrade_proxy: bool = False,
    emit: Emit,
) -> Plan:
    """What `deploy` would do now. Builds images here, if asked to, and changes nothing on the server."""
    select_services(project, services)
    files = read_files(project, root)
    async with open_session(machine) as session:
        request, observed = await gather(
            project,
            root,
            session,
            files=files,
            only=services,
            build=build,
            upgrade_proxy=upgrade_proxy,
            emit=emit,
        )
        plan = request.plan(observed)
        holder = await holder_of(session.machine, project.name)
    return plan if holder is None else replace(plan, notes=(_under_way(holder), *plan.notes))


def _under_way(holder: str) -> str:
    return (
        f"a deploy by {holder} is under way: this is what would be left to do if it ended here and now; "
        "what it has started counts as left behind"
    )


def _result(project: Project, plan: Plan, traffic: Mapping[str, Traffic], seconds: float) -> DeployResult:
    def told(change: Change) -> ServiceResult:
        one = traffic.get(change.name, Traffic())
        return ServiceResult(
            change.image,
            change.action,
            one.layers_sent,
            one.layers_reused,
            one.bytes_sent,
            one.bytes_saved,
        )

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
        by_address=plan.by_address,
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
