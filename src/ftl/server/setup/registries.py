"""Logging in to the registries that a project uses, so that the first deploy need not stop for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.aio import gather
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

    from ftl.config import Project
    from ftl.events import Emit
    from ftl.image.registry.credentials import Credentials
    from ftl.image.registry.keyring import Keyring, RegistryLogin
    from ftl.ssh.target import Target

ATTEMPTS = 3
"""So often a person may mistype a password."""

LOOK_SECONDS = 10.0
"""For the server to hear from a registry whether it gives an image to everybody."""

AskLogin = Callable[[str], Awaitable[tuple[str, str] | None]]
"""Given a registry's name, a user name and a password or token; None where nobody can be asked."""


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where credentials are tried and entered.

    Attributes:
        engine: Tries them: of who pushes or pulls.
        use: What for: "... which `ftl build` pushes to".
    """

    engine: Engine
    use: str
    ask: AskLogin
    environ: Mapping[str, str]
    emit: Emit


@dataclass(frozen=True, slots=True)
class _Tried:
    """What is known of one registry.

    Attributes:
        needed: Without a login there the next deploy fails.
        failure: Why it does not take the credentials that there are, or was not reached.
    """

    login: RegistryLogin
    needed: bool
    failure: TransferFailed | None = None


async def log_in_to_registries(
    project: Project,
    keyring: Keyring,
    ask: AskLogin,
    *,
    environ: Mapping[str, str],
    emit: Emit,
) -> tuple[Credentials, ...]:
    """See that there are credentials for each registry that needs some, and that it takes them.

    Needed they are for what is pushed to, which this machine's engine tries, and for images that the server pulls by
    itself, still lacks, and that their registry does not give to everybody. Those, and all others that ftl.yaml lists,
    the server's engine tries: this machine may have none, and not reach them. What is entered is kept where docker
    keeps it on this machine. Nothing is asked where the project uses no registry of its own.

    Args:
        project: Pushes to them, pulls from them, or lists them.
        keyring: Knows what there is.
        ask: Gets what there is not.
        environ: Where docker's config file is found by.
        emit: Hears of each.

    Returns:
        The credentials that were taken.

    Raises:
        TransferFailed: A registry that is needed does not take them, or is not reached.
        EngineUnavailable: No engine answers on this machine, which would push.
        ServerError: The server, which would pull, cannot be reached.
    """
    found: list[Credentials] = []
    pushed = push_registries(project)
    if pushed:
        async with Engine(local_url(environ), name="this machine") as engine:
            desk = _Desk(engine, "which `ftl build` pushes to", ask, environ, emit)
            tried = await gather(_try_here(engine, keyring, one) for one in pushed)
            found += await _see_to(desk, tried)
    pulled = pulled_images(project)
    listed = (config_key(one.server) for one in project.registries)
    there = [one for one in dict.fromkeys((*pulled, *listed)) if one not in pushed]
    if there:
        async with (
            connect(target_of(project.server)) as machine,
            Engine(await machine.engine_url(), name=machine.name, explain=machine.explain) as engine,
        ):
            desk = _Desk(engine, "which the server pulls from", ask, environ, emit)
            tried = await gather(_try_there(engine, keyring, one, pulled.get(one, ())) for one in there)
            found += await _see_to(desk, tried)
    return tuple(found)


async def _try_here(engine: Engine, keyring: Keyring, registry: str) -> _Tried:
    return await _try(engine, await keyring.for_registry(registry), needed=True)


async def _try_there(engine: Engine, keyring: Keyring, registry: str, images: Sequence[str]) -> _Tried:
    """Try a registry from the server: needed it is for images that are not there yet."""
    login = await keyring.for_registry(registry)
    lacking = [image for image in images if await engine.image(image) is None]
    if login.credentials is None:
        return _Tried(login, needed=await needs_login(engine, lacking, seconds=LOOK_SECONDS))
    return await _try(engine, login, needed=bool(lacking))


async def _try(engine: Engine, login: RegistryLogin, *, needed: bool) -> _Tried:
    if login.credentials is None:
        return _Tried(login, needed)
    try:
        await verify(engine, login.credentials)
    except TransferFailed as error:
        return _Tried(login, needed, error)
    return _Tried(login, needed)


async def _see_to(desk: _Desk, tried: Sequence[_Tried]) -> list[Credentials]:
    """Say what came of it, and ask for what is needed, one after the other; what was taken.

    Raises:
        TransferFailed: A registry that is needed does not take what there is.
    """
    found = []
    for one in tried:
        credentials, name = one.login.credentials, display_name(one.login.registry)
        if credentials is None:
            typed = await _enter(desk, one.login.registry) if one.needed else None
            found += [typed] if typed is not None else []
        elif one.failure is None:
            desk.emit(Note(f"{name} takes the credentials from {credentials.origin}"))
            found.append(credentials)
        elif one.needed:
            raise one.failure
        else:
            desk.emit(Note(_told(one.failure), "warning", hint=one.failure.hint))
    return found


def _told(error: FtlError) -> str:
    return f"{error.message}: {error.cause}" if error.cause else error.message


async def _enter(desk: _Desk, registry: str) -> Credentials | None:
    """Ask for credentials until the registry takes them; None where nobody can be asked."""
    for attempt in range(ATTEMPTS):
        answer = await desk.ask(display_name(registry))
        if answer is None:
            text = f"there are no credentials for {display_name(registry)}, {desk.use}"
            hint = f"run {login_command(registry)} here, or list it below `registries` in ftl.yaml"
            desk.emit(Note(text, "warning", hint=hint))
            return None
        credentials = typed_credentials(registry, *answer)
        try:
            await verify(desk.engine, credentials)
        except TransferFailed as error:
            if attempt == ATTEMPTS - 1:
                raise
            desk.emit(Note(error.message, "warning"))
        else:
            await _keep(desk, credentials)
            return credentials
    return None


async def _keep(desk: _Desk, credentials: Credentials) -> None:
    """Have docker remember what was entered; without a docker here, or a way to the registry, it is not kept."""
    name = display_name(credentials.registry)
    try:
        await docker_login(credentials, desk.environ)
    except FtlError as error:
        text = f"{name} takes them, but docker does not keep them on this machine: {_told(error)}"
        desk.emit(Note(text, "warning", hint="list the registry below `registries` in ftl.yaml"))
    else:
        desk.emit(Note(f"{name} takes them; docker keeps them on this machine"))


async def store_credentials(target: Target, credentials: tuple[Credentials, ...], *, emit: Emit) -> None:
    """Keep credentials on the server, for whoever deploys there: only because that was asked for.

    Raises:
        FtlError: They cannot be stored there.
        ServerError: The server cannot be reached.
    """
    async with connect(target) as machine:
        await store_on_server(machine, credentials)
    names = ", ".join(display_name(one.registry) for one in credentials)
    emit(Note(f"the credentials for {names} are on {target.host}, in ~/.docker/config.json"))
