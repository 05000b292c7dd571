"""Checks of a preview before it is deployed: its name, its hosts, their DNS, its folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.errors import UsageError
from ftl.events import Note
from ftl.proxy.project_site import site_of
from ftl.server.doctor.checks.dns import look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from typing import Any

    from ftl.config.models.project import Project
    from ftl.config.values.bindings import VolumeMount
    from ftl.events import Emit
    from ftl.server.doctor.checks.dns import Lookup

_OWN_DOMAIN = (
    'write `project: {domain: "${FTL_ENV}.preview.example.com"}` into ftl.preview.yaml, with your domain'
)


def refuse_shared_identity(preview: Project, others: Mapping[str, Project]) -> None:
    """Refuse a preview with the name or a host of another environment, or of any host.

    The others are by the name of their file.

    Raises:
        UsageError: It would take their place, or their requests.
    """
    names = {other.name: file for file, other in others.items()}
    if preview.name == preview.preview_of or preview.name in names:
        raise UsageError(
            f"the preview would be deployed as {preview.name}, which is the name of the project in "
            f"{names.get(preview.name, 'ftl.yaml')}",
            hint="leave `project.name` out of ftl.preview.yaml: the preview's name is appended then",
        )
    site = site_of(preview)
    for file, other in others.items():
        shared = sorted({*site.hosts} & _hosts(other))
        if shared:
            raise UsageError(
                f"the preview would answer to {', '.join(shared)}, as the project of {file} does",
                hint=_routes_hint(preview, shared) or _OWN_DOMAIN,
            )
    if any(not route.host for route in site.routes):
        raise UsageError(
            "the preview would answer to any host name, and take the requests of other projects",
            hint=_OWN_DOMAIN,
        )


def _hosts(project: Project) -> set[str]:
    """Hosts of its routes and redirects; of a project that was read without its services, its domain."""
    domain = project.project.domain
    return {*site_of(project).hosts, *((domain.lower(),) if domain and not project.services else ())}


def _routes_hint(preview: Project, shared: list[str]) -> str | None:
    """The hint where hosts are not those of the domain but of single routes."""
    if (preview.project.domain or "").lower() in shared:
        return None
    return "give the routes with a `host` another one in ftl.preview.yaml, with ${FTL_ENV} in it"


def note_shared_folders(preview: Project, others: Mapping[str, Project], emit: Emit) -> None:
    """Note folders of the server that the preview can write to and another project uses."""
    used = {mount.source: file for file, other in others.items() for mount in _folders(other)}
    for source in sorted({mount.source for mount in _folders(preview) if not mount.read_only}):
        if source in used:
            emit(
                Note(
                    f"the preview writes to {source} of {preview.server.host}, as the project of {used[source]} may",
                    "warning",
                    hint="mount another folder or a named volume in ftl.preview.yaml, or append `:ro`",
                )
            )


def _folders(project: Project) -> Iterator[VolumeMount]:
    mounts = (
        *(mount for service in project.services for mount in service.mounts),
        *(mount for dependency in project.dependencies for mount in dependency.mounts),
    )
    yield from (mount for mount in mounts if not mount.is_named)


async def note_missing_dns(
    preview: Project, emit: Emit, resolve: Callable[[str], Coroutine[Any, Any, Lookup]] = look_up
) -> None:
    """Note hosts of a preview that DNS does not know; it is deployed anyway."""
    hosts = site_of(preview).hosts
    for host, found in zip(hosts, await gather(resolve(host) for host in hosts), strict=True):
        if found.error == "unknown":
            parent = host.partition(".")[2]
            emit(
                Note(
                    f"{host} has no DNS record: the preview cannot be reached by it, and gets no certificate",
                    "warning",
                    hint=f"a record *.{parent} that points to {preview.server.host} serves all previews",
                )
            )
