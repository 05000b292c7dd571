"""Log in to a project's registries, so that the first deploy does not stop for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.dataclass import dataclass
from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import FtlError, TransferFailed
from ftl.events import Note
from ftl.image.registry.access import needs_login, pulled_images
from ftl.image.registry.login import docker_login, store_on_server, typed_credentials, verify
from ftl.image.registry.names import config_key, display_name, login_command, push_registries
from ftl.ssh.openssh import connect
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.config.models.project import Project
    from ftl.events import Emit
    from ftl.image.registry.credentials import Credentials
    from ftl.image.registry.keyring import Keyring, RegistryLogin
    from ftl.ssh.target import Target

ATTEMPTS = 3
"""Number of times that a user may type a password."""

ACCESS_SECONDS = 10.0
"""Limit for the server to ask a registry whether an image is public."""

AskLogin = Callable[[str], Awaitable[tuple[str, str] | None]]
"""Asks for a user name and a password or token for a registry; None: there is no terminal."""


@dataclass(frozen=True, slots=True)
class _Session:
    """Verification of credentials with one engine, the one that pushes or pulls, and questions for missing ones.

    `purpose` is the registries', for messages: "which `ftl build` pushes to".
    """

    engine: Engine
    purpose: str
    ask: AskLogin
    environ: Mapping[str, str]
    emit: Emit


@dataclass(frozen=True, slots=True)
class _Verification:
    """The result of verifying the credentials for one registry: rejected or unreachable where there is an error.

    If they are required, the next deploy fails without a login.
    """

    login: RegistryLogin
    required: bool
    error: TransferFailed | None = None


async def log_in_to_registries(
    project: Project, keyring: Keyring, ask: AskLogin, *, environ: Mapping[str, str], emit: Emit
) -> tuple[Credentials, ...]:
    """Verify the credentials for each registry; ask for missing ones where a login is required.

    It is required for registries that are pushed to, which this machine's engine verifies, and for images that the
    server pulls by itself, does not have yet, and that are not public. Those, and all others that ftl.yaml lists, are
    verified by the server's engine: this machine may have no engine, and no access to them. Credentials that were
    typed are stored in this machine's docker configuration. A project that uses no registry of its own asks nothing.

    `environ` locates docker's config file. The accepted credentials are returned.

    Raises:
        TransferFailed: A required registry rejects the credentials, or cannot be reached.
        EngineUnavailable: No engine answers on this machine, which would push.
        ServerError: The server, which would pull, cannot be reached.
    """
    accepted: list[Credentials] = []
    pushed = push_registries(project)
    if pushed:
        async with Engine(local_url(environ), name="this machine") as engine:
            session = _Session(engine, "which `ftl build` pushes to", ask, environ, emit)
            results = await gather(_verify_push(engine, keyring, registry) for registry in pushed)
            accepted += await _complete(session, results)
    pulled = pulled_images(project)
    listed = (config_key(registry.server) for registry in project.registries)
    on_server = [registry for registry in dict.fromkeys((*pulled, *listed)) if registry not in pushed]
    if on_server:
        async with (
            connect(target_of(project.server)) as machine,
            Engine(await machine.engine_url(), name=machine.name, explain=machine.explain) as engine,
        ):
            session = _Session(engine, "which the server pulls from", ask, environ, emit)
            results = await gather(
                _verify_pull(engine, keyring, registry, pulled.get(registry, ())) for registry in on_server
            )
            accepted += await _complete(session, results)
    return tuple(accepted)


async def _verify_push(engine: Engine, keyring: Keyring, registry: str) -> _Verification:
    return await _verify(engine, await keyring.for_registry(registry), required=True)


async def _verify_pull(
    engine: Engine, keyring: Keyring, registry: str, images: Sequence[str]
) -> _Verification:
    """Verify from the server; a login is required for images that it does not have yet."""
    login = await keyring.for_registry(registry)
    missing = [image for image in images if await engine.image(image) is None]
    if login.credentials is None:
        return _Verification(login, required=await needs_login(engine, missing, seconds=ACCESS_SECONDS))
    return await _verify(engine, login, required=bool(missing))


async def _verify(engine: Engine, login: RegistryLogin, *, required: bool) -> _Verification:
    if login.credentials is None:
        return _Verification(login, required)
    try:
        await verify(engine, login.credentials)
    except TransferFailed as error:
        return _Verification(login, required, error)
    return _Verification(login, required)


async def _complete(session: _Session, results: Sequence[_Verification]) -> list[Credentials]:
    """Report each result, and ask for missing logins, one after the other; the accepted credentials."""
    accepted = []
    for result in results:
        credentials, name = result.login.credentials, display_name(result.login.registry)
        if credentials is None:
            typed = await _ask(session, result.login.registry) if result.required else None
            accepted += [typed] if typed is not None else []
        elif result.error is None:
            session.emit(Note(f"{name} accepts the credentials from {credentials.origin}"))
            accepted.append(credentials)
        elif result.required:
            raise result.error
        else:
            session.emit(Note(result.error.summary, "warning", hint=result.error.hint))
    return accepted


async def _ask(session: _Session, registry: str) -> Credentials | None:
    """Ask for credentials until the registry accepts them; None where there is no terminal."""
    for attempt in range(ATTEMPTS):
        answer = await session.ask(display_name(registry))
        if answer is None:
            text = f"there are no credentials for {display_name(registry)}, {session.purpose}"
            hint = f"run {login_command(registry)} on this machine, or list it under `registries` in ftl.yaml"
            session.emit(Note(text, "warning", hint=hint))
            return None
        credentials = typed_credentials(registry, *answer)
        try:
            await verify(session.engine, credentials)
        except TransferFailed as error:
            if attempt == ATTEMPTS - 1:
                raise
            session.emit(Note(error.message, "warning"))
        else:
            await _store_locally(session, credentials)
            return credentials
    return None


async def _store_locally(session: _Session, credentials: Credentials) -> None:
    """Store typed credentials by `docker login`; without docker on this machine, or access, they are not stored."""
    name = display_name(credentials.registry)
    try:
        await docker_login(credentials, session.environ)
    except FtlError as error:
        text = f"{name} accepts them, but docker does not store them on this machine: {error.summary}"
        session.emit(Note(text, "warning", hint="list the registry under `registries` in ftl.yaml"))
    else:
        session.emit(Note(f"{name} accepts them; docker stores them on this machine"))


async def store_credentials(target: Target, credentials: tuple[Credentials, ...], *, emit: Emit) -> None:
    """Store credentials on the server, for everybody who deploys there; only on request.

    Raises:
        FtlError: They cannot be stored there.
        ServerError: The server cannot be reached.
    """
    async with connect(target) as machine:
        await store_on_server(machine, credentials)
    names = ", ".join(display_name(login.registry) for login in credentials)
    emit(Note(f"stored the credentials for {names} on {target.host}, in ~/.docker/config.json"))
