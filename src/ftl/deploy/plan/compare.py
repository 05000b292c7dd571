"""Comparison of a project with a server. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.plan.changes import dependency_change, removed_from_file, service_change
from ftl.deploy.plan.desired.sources import NamedImage
from ftl.deploy.plan.diff import Diff, other_sites
from ftl.deploy.plan.jobs import Owner, is_left_alone, jobs_diff, resumed_jobs
from ftl.deploy.plan.sites import (
    hidden_from,
    servers_with_old_routes,
    target_site,
    transitional_site,
    with_other_services,
    with_stored_tls,
)
from ftl.errors import UsageError
from ftl.proxy.site import Site, conflicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.config.models.project import Service
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.desired.sources import ImageSource
    from ftl.deploy.request import PlanRequest
    from ftl.proxy.project_site import TlsFiles


def compare(
    request: PlanRequest,
    observed: Observed,
    sources: Mapping[str, ImageSource],
    files: TlsFiles,
    commit: str | None = None,
) -> Diff:
    """Compare a project with a server; see `make_plan` for the arguments.

    Raises:
        UsageError: Another project on the server has one of the routes.
    """
    project, only = request.project, request.services
    selected = [service for service in project.services if not only or service.name in only]
    services = tuple(
        service_change(
            project,
            service,
            observed,
            sources.get(service.name, NamedImage(service.image or "")),
            commit,
            stays=request.purpose.same_release,
            restart=request.purpose.restart,
        )
        for service in selected
    )
    target = _target_site(request, observed, files, selected)
    if not request.purpose.same_release:
        returning = servers_with_old_routes(project, observed, target)
        services = tuple(hidden_from(returning, project, observed, change) for change in services)
    dependencies = tuple(
        dependency_change(
            project,
            dependency,
            observed,
            keep=bool(only) or request.purpose.from_record,
            leave_stopped=bool(request.purpose.restored),
        )
        for dependency in project.dependencies
        if not request.purpose.same_release or dependency.name in only
    )
    removed = () if only or request.purpose.same_release else removed_from_file(project, observed)
    # A deploy of single services leaves a dependency as it is, and so its backups.
    changing = tuple(change for change in dependencies if not (only and is_left_alone(observed, change)))
    owners: tuple[Owner, ...] = (*services, *(dependencies if request.purpose.same_release else changing))
    jobs = (
        resumed_jobs(project, observed, owners)
        if request.purpose.same_release
        else jobs_diff(project, observed, owners, partial=bool(only))
    )
    with_port = any(service.proxied_port for service in project.services)
    leaves_proxy = not (with_port or request.purpose.same_release) and _is_left(observed, target)
    if leaves_proxy and observed.site is not None and observed.proxy is not None and observed.proxy.running:
        target = Site(project.name, observed.site.subnets, tls=observed.site.tls)
    makes_release = not request.purpose.same_release and bool(
        removed
        or jobs.changed
        or any(change.starts or change.action == "scaled" for change in services)
        or any(change.starts for change in dependencies)
        or (target is not None and target != observed.site)
    )
    release = f"r{observed.last_number + 1 if makes_release else observed.live_number}"
    diff = Diff(
        request=request,
        observed=observed,
        services=services,
        dependencies=dependencies,
        removed=removed,
        jobs=jobs,
        transitional_site=None,
        target_site=target,
        certificate=files.certificate,
        makes_release=makes_release,
        release=release,
        commit=commit,
        leaves_proxy=leaves_proxy,
    )
    if target is None:
        return diff
    aliases = {change.name: diff.alias(change) for change in diff.starting}
    return replace(diff, transitional_site=transitional_site(target, observed, diff.starting, aliases))


def _target_site(
    request: PlanRequest, observed: Observed, files: TlsFiles, selected: Sequence[Service]
) -> Site | None:
    """The site once the plan is done; None where no service has a port.

    Raises:
        UsageError: Another project on the server has one of the routes.
    """
    project, only, purpose = request.project, request.services, request.purpose
    with_port = any(service.proxied_port for service in project.services)
    if not with_port and not (only and not purpose.same_release and observed.site is not None):
        return None
    names = {service.name for service in selected}
    serving = names | {service.name for service in project.services if observed.serves(service.name)}
    target = target_site(project, observed, serving, files)
    if only:
        target = with_other_services(target, observed, names)
    if purpose.from_record:
        target = with_stored_tls(target, observed)
    if purpose.same_release:
        target = _unchanged_site(observed) or target
    _refuse_conflicts(target, observed, project.overlay)
    return target


def _is_left(observed: Observed, target: Site | None) -> bool:
    """Whether the proxy has something of a project that no service needs any more."""
    needed = target is not None and target.internal
    return not needed and observed.proxy is not None and observed.proxy.has_traces(observed.project)


def _unchanged_site(observed: Observed) -> Site | None:
    """The proxy's present site; None where it is lost, or a deploy was interrupted while it changed the routes."""
    written = observed.proxy.site(observed.project) if observed.proxy is not None else None
    return observed.site if written is not None and written.transition is None else None


def _refuse_conflicts(target: Site, observed: Observed, overlay: str) -> None:
    claimed = conflicts([target, *other_sites(observed)])
    if claimed:
        own = f"write another `project.domain` into ftl.{overlay}.yaml, or " if overlay else ""
        raise UsageError(
            f"{claimed[0]} on {observed.server}",
            hint=f"{own}give one of them another path or host, or remove the other project",
        )
