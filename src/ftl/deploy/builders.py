"""Builders: the machines of `build.on`, with an open session each.

A builder is an engine, and nothing else: the docker CLI here builds on it through its forwarded socket. BuildKit's own
protocol then sends what changed of the build context, and passes secrets and registry credentials without storing them
there.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.figures import size
from ftl.config.models.project import Server
from ftl.errors import BuildFailed, ServerError, at
from ftl.image.building.parallel import build_images
from ftl.image.building.remote import ROOM, SERVER
from ftl.image.registry.build_logins import build_logins
from ftl.image.registry.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from ftl.config.models.project import Project, Service
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session
    from ftl.image.building.service_build import BuildResult


def connect_builder(place: str) -> AbstractAsyncContextManager[Session]:
    """Connect to a machine that `build.on` names.

    For no project: its kept connection to the server would end.
    """
    from ftl.host.session import open_session  # `ftl build` here needs no SSH
    from ftl.ssh.machine import machine_of

    return open_session(machine_of(Server(host=place)))


@asynccontextmanager
async def open_builders(
    services: Iterable[Service],
    fleet: Fleet | None,
    connect: Callable[[str], AbstractAsyncContextManager[Session]] = connect_builder,
) -> AsyncIterator[Mapping[str, Session]]:
    """Connect to the machines that build some services; this machine is not among them.

    Servers of the `fleet` may be among them; it is None where the project's servers are not connected. The sessions are
    by the value of `build.on`.

    Raises:
        ServerError: A builder cannot be reached, or no engine answers there.
        BuildFailed: There is no room for a build.
    """
    users: dict[str, list[str]] = {}
    for service in services:
        if place := builder_of(service):
            users.setdefault(place, []).append(service.name)
    stack = AsyncExitStack()
    try:
        sessions = await gather(
            _session(stack, place, names, fleet, connect) for place, names in users.items()
        )
        await gather(_require_room(session) for session in sessions)
        yield dict(zip(users, sessions, strict=True))
    finally:
        await stack.aclose()  # without the error of what the builders are used for: it would get their place


async def _session(
    stack: AsyncExitStack,
    place: str,
    services: list[str],
    fleet: Fleet | None,
    connect: Callable[[str], AbstractAsyncContextManager[Session]],
) -> Session:
    """The session of a builder: that of the server if it is one, else a new one."""
    known = _server(place, fleet)
    if known is not None:
        return known
    try:
        with at(server=place, service=services[0], step="build"):
            return await stack.enter_async_context(connect(place))
    except ServerError as error:
        places = "`build.on` is `server`, `local` or a host that ssh reaches and that has Docker"
        raise ServerError(
            f"the builder cannot be used: {error.message}",
            cause=error.cause,
            hint=f"{places}; {error.hint}" if error.hint else places,
            place=error.place,
        ) from error


def _server(place: str, fleet: Fleet | None) -> Session | None:
    """The session of a server that `build.on` names."""
    if fleet is None:
        return None
    if place == SERVER:
        return fleet.first
    return next((session for session in fleet if session.name == place), None)


async def _require_room(session: Session) -> None:
    """Refuse a build on a machine whose disk is almost full.

    Raises:
        BuildFailed: It is.
    """
    from ftl.image.transfer.disk_space import reclaimable_space  # `ftl build` here needs no transfer
    from ftl.image.transfer.remote.capabilities import probe_server

    with at(server=session.name, step="build"):
        free = (await probe_server(session.machine, session.info.root, session.info.store)).free_for_images
        if free is not None and free < ROOM:
            raise BuildFailed(
                f"{session.name} has too little disk space for a build",
                cause=f"{size(free)} free, at least {size(ROOM)} needed",
                hint=await reclaimable_space(session.engine, 0),
            )


def builds_on_server(services: Iterable[Service], servers: Iterable[str]) -> bool:
    """Whether one of the services is built on a server of the project."""
    places = {SERVER, *servers}
    return any(builder_of(service) in places for service in services)


def builder_of(service: Service) -> str:
    """The machine that builds a service: a value of `build.on`; empty for this one."""
    return service.build.place if service.build is not None else ""


async def build_services(
    project: Project,
    services: Sequence[Service],
    engines: Mapping[str, Engine],
    *,
    root: Path,
    platform: str | None,
    emit: Emit,
    no_cache: bool = False,
    env_folder: Path | None = None,
    commit: str | None = None,
) -> dict[str, BuildResult]:
    """Build services, on all of their builders at the same time.

    Engines are by the value of `build.on`, which is empty for this machine. The platform is the server's, if it is
    known. The values of build secrets are in the .env of `env_folder`, if not of `root`; `commit` is the one whose
    files `root` has, where it is in no checkout.

    Raises:
        BuildFailed: An image could not be built; the other builds are stopped.
    """
    keyring = Keyring(project.registries, root=root, environ=os.environ)
    places = list(dict.fromkeys(map(builder_of, services)))
    async with build_logins(
        services, project.registries, keyring, root=root, environ=os.environ
    ) as docker_config:
        results = await gather(
            build_images(
                project,
                [service for service in services if builder_of(service) == place],
                root=root,
                engine=engines[place],
                platform=platform,
                emit=emit,
                no_cache=no_cache,
                docker_config=docker_config,
                remote=bool(place),
                env_folder=env_folder,
                commit=commit,
            )
            for place in places
        )
    built = {name: result for by_name in results for name, result in by_name.items()}
    return {service.name: built[service.name] for service in services if service.name in built}
