"""Logging in to the registries that a project pushes to, so that the first deploy need not stop for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ftl.engine import Engine, local_url
from ftl.errors import TransferFailed
from ftl.events import Note
from ftl.image.registry import (
    entered,
    login_command,
    logins,
    pushed_to,
    remember,
    shown,
    store_there,
    verify,
)
from ftl.ssh import connect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config import Project
    from ftl.events import Emit
    from ftl.image.registry import Credentials, Keyring
    from ftl.ssh import Target

ATTEMPTS = 3
"""So often a person may mistype a password."""

AskLogin = Callable[[str], Awaitable[tuple[str, str] | None]]
"""Given a registry's name, a user name and a password or token; None where nobody can be asked."""


async def log_in_to_registries(
    project: Project,
    keyring: Keyring,
    ask: AskLogin,
    *,
    environ: Mapping[str, str],
    emit: Emit,
) -> tuple[Credentials, ...]:
    """See that there are credentials for each registry that needs some, and that it takes them.

    What is entered is kept where docker keeps it on this machine. Nothing is asked where the project uses no registry
    of its own.

    Args:
        project: Pushes to them, or lists them.
        keyring: Knows what there is.
        ask: Gets what there is not.
        environ: Where docker's config file is found by.
        emit: Hears of each.

    Returns:
        The credentials that were taken.

    Raises:
        TransferFailed: A registry does not take them, or is not reached.
        EngineUnavailable: No engine answers on this machine, which would push.
    """
    known = await logins(project, keyring)
    if not known:
        return ()
    found: list[Credentials] = []
    async with Engine(local_url(environ), name="this machine") as engine:
        for login in known:
            if login.credentials is not None:
                await verify(engine, login.credentials)
                found.append(login.credentials)
                emit(Note(f"{shown(login.registry)} takes the credentials from {login.credentials.origin}"))
            elif login.registry in pushed_to(project):
                typed = await _enter(engine, login.registry, ask, environ, emit)
                found += [typed] if typed is not None else []
    return tuple(found)


async def _enter(
    engine: Engine, registry: str, ask: AskLogin, environ: Mapping[str, str], emit: Emit
) -> Credentials | None:
    """Ask for credentials until the registry takes them; None where nobody can be asked."""
    for attempt in range(ATTEMPTS):
        answer = await ask(shown(registry))
        if answer is None:
            text = f"there are no credentials for {shown(registry)}, which `ftl build` pushes to"
            hint = f"run {login_command(registry)} here, or list it below `registries` in ftl.yaml"
            emit(Note(text, "warning", hint=hint))
            return None
        credentials = entered(registry, *answer)
        try:
            await verify(engine, credentials)
        except TransferFailed as error:
            if attempt == ATTEMPTS - 1:
                raise
            emit(Note(error.message, "warning"))
        else:
            await remember(credentials, environ)
            emit(Note(f"{shown(registry)} takes them; docker keeps them on this machine"))
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
