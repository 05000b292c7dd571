"""Logging in to the registries that a project uses, so that the first deploy need not stop for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.engine import Engine, local_url
from ftl.errors import TransferFailed
from ftl.events import Note
from ftl.image.registry import (
    entered,
    login_command,
    logins,
    needs_login,
    pulled_from,
    pushed_to,
    remember,
    shown,
    store_there,
    verify,
)
from ftl.ssh import connect, target_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config import Project
    from ftl.events import Emit
    from ftl.image.registry import Credentials, Keyring, Login
    from ftl.ssh import Target

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


async def log_in_to_registries(
    project: Project,
    keyring: Keyring,
    ask: AskLogin,
    *,
    environ: Mapping[str, str],
    emit: Emit,
) -> tuple[Credentials, ...]:
    """See that there are credentials for each registry that needs some, and that it takes them.

    Needed they are for what is pushed to, and for images that the server pulls by itself and that their registry does
    not give to everybody. What is entered is kept where docker keeps it on this machine. Nothing is asked where the
    project uses no registry of its own.

    Args:
        project: Pushes to them, pulls from them, or lists them.
        keyring: Knows what there is.
        ask: Gets what there is not.
        environ: Where docker's config file is found by.
        emit: Hears of each.

    Returns:
        The credentials that were taken.

    Raises:
        TransferFailed: A registry does not take them, or is not reached.
        EngineUnavailable: No engine answers on this machine, which would push.
        ServerError: The server, which would pull, cannot be reached.
    """
    found: list[Credentials] = []
    known = await logins(project, keyring)
    if known:
        async with Engine(local_url(environ), name="this machine") as engine:
            desk = _Desk(engine, "which `ftl build` pushes to", ask, environ, emit)
            for login in known:
                found += await _see_to(desk, login, needed=login.registry in pushed_to(project))
    seen = {*pushed_to(project), *(one.registry for one in found)}
    pulled = {registry: images for registry, images in pulled_from(project).items() if registry not in seen}
    if pulled:
        async with (
            connect(target_of(project.server)) as machine,
            Engine(await machine.engine_url(), name=machine.name, explain=machine.explain) as engine,
        ):
            desk = _Desk(engine, "which the server pulls from", ask, environ, emit)
            for registry, images in pulled.items():
                login = await keyring.login_to(registry)
                closed = login.credentials is None and await needs_login(engine, images, seconds=LOOK_SECONDS)
                found += await _see_to(desk, login, needed=closed)
    return tuple(found)


async def _see_to(desk: _Desk, login: Login, *, needed: bool) -> list[Credentials]:
    """Try what there is, ask for what is needed; what was taken, if anything."""
    if login.credentials is not None:
        await verify(desk.engine, login.credentials)
        desk.emit(Note(f"{shown(login.registry)} takes the credentials from {login.credentials.origin}"))
        return [login.credentials]
    typed = await _enter(desk, login.registry) if needed else None
    return [typed] if typed is not None else []


async def _enter(desk: _Desk, registry: str) -> Credentials | None:
    """Ask for credentials until the registry takes them; None where nobody can be asked."""
    for attempt in range(ATTEMPTS):
        answer = await desk.ask(shown(registry))
        if answer is None:
            text = f"there are no credentials for {shown(registry)}, {desk.use}"
            hint = f"run {login_command(registry)} here, or list it below `registries` in ftl.yaml"
            desk.emit(Note(text, "warning", hint=hint))
            return None
        credentials = entered(registry, *answer)
        try:
            await verify(desk.engine, credentials)
        except TransferFailed as error:
            if attempt == ATTEMPTS - 1:
                raise
            desk.emit(Note(error.message, "warning"))
        else:
            await remember(credentials, desk.environ)
            desk.emit(Note(f"{shown(registry)} takes them; docker keeps them on this machine"))
            return credentials
    return None


async def store_credentials(target: Target, credentials: tuple[Credentials, ...], *, emit: Emit) -> None:
    """Keep credentials on the server, for whoever deploys there: only because that was asked for.

    Raises:
        FtlError: They cannot be stored there.
        ServerError: The server cannot be reached.
    """
    async with connect(target) as machine:
        await store_there(machine, credentials)
    names = ", ".join(shown(one.registry) for one in credentials)
    emit(Note(f"the credentials for {names} are on {target.host}, in ~/.docker/config.json"))
