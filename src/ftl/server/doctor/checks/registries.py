"""Checks of registry logins: whether there are credentials, and registries accept them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.dataclass import dataclass
from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import EngineError, FtlError
from ftl.image.registry.access import needs_login, pulled_images
from ftl.image.registry.keyring import Keyring, RegistryLogin
from ftl.image.registry.login import verify
from ftl.image.registry.names import (
    HUB,
    config_key,
    display_name,
    login_command,
    push_registries,
    registry_of,
)
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.server.doctor.finding import Level

SECONDS = 2.0
"""Limit for a login: a token takes four round trips to two hosts, on the engine's own route."""

KEYRING_SECONDS = 5.0
"""Limit for a credential helper or a command of ftl.yaml, which may ask a cloud."""

THIS_MACHINE = "this machine"


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """The result of a login to one registry.

    Attributes:
        machine: The machine whose engine tried.
        pushes: The project pushes there, which requires a login nearly everywhere.
        login: The credentials; None where they could not be read, which `error` explains.
        is_private: There are no credentials, and an image that is pulled from there is not public.
    """

    registry: str
    machine: str
    pushes: bool = False
    login: RegistryLogin | None = None
    error: FtlError | None = None
    timed_out: bool = False
    is_private: bool = False


class Logins:
    """The registries that a project uses, and the credentials for them, each read once."""

    def __init__(self, project: Project | None, *, root: Path, environ: Mapping[str, str]) -> None:
        """Prepare; nothing is read yet."""
        self.pushed = push_registries(project) if project else ()
        self.used = used_registries(project) if project else ()
        self.pulled = pulled_images(project) if project else {}
        self._keyring = Keyring(project.registries if project else (), root=root, environ=environ)

    async def try_locally(self) -> list[LoginAttempt]:
        """Log in to the registries that are pushed to, with this machine's engine, which pushes."""
        if not self.pushed:
            return []
        try:
            async with Engine(local_url(), name=THIS_MACHINE) as engine:
                return await self.try_on(engine, self.pushed)
        except FtlError:  # no engine on this machine: another check reports that
            return []

    async def try_on_server(self, engine: Engine | None) -> list[LoginAttempt]:
        """Log in to all registries with the server's engine, which pulls."""
        if engine is None:
            return []
        attempts = await self.try_on(engine, self.used)
        return await gather(self._with_access(engine, attempt) for attempt in attempts)

    async def _with_access(self, engine: Engine, attempt: LoginAttempt) -> LoginAttempt:
        """Without credentials it matters whether the images that the server does not have yet are public."""
        if attempt.login is None or attempt.login.credentials is not None:
            return attempt
        images = self.pulled.get(attempt.registry, ())
        try:
            missing = [image for image in images if await engine.image(image) is None]
        except EngineError:  # it has just answered: another check reports what is wrong with it
            return attempt
        return replace(attempt, is_private=await needs_login(engine, missing, seconds=SECONDS))

    async def try_on(self, engine: Engine, registries: Sequence[str]) -> list[LoginAttempt]:
        """Log in with one engine."""
        return await gather(self._try(engine, registry) for registry in registries)

    async def _try(self, engine: Engine, registry: str) -> LoginAttempt:
        pushes = registry in self.pushed
        try:
            async with asyncio.timeout(KEYRING_SECONDS):
                login = await self._keyring.for_registry(registry)
        except TimeoutError:
            return LoginAttempt(registry, engine.name, pushes, timed_out=True)
        except FtlError as error:
            return LoginAttempt(registry, engine.name, pushes, error=error)
        if login.credentials is None:
            return LoginAttempt(registry, engine.name, pushes, login)
        try:
            async with asyncio.timeout(SECONDS):
                await verify(engine, login.credentials)
        except TimeoutError:
            return LoginAttempt(registry, engine.name, pushes, login, timed_out=True)
        except FtlError as error:
            return LoginAttempt(registry, engine.name, pushes, login, error)
        return LoginAttempt(registry, engine.name, pushes, login)


def used_registries(project: Project) -> tuple[str, ...]:
    """The registries of a project's images and of ftl.yaml, as docker's config names them."""
    images = [service.image for service in project.services if service.image]
    images += [each.image for each in project.dependencies if each.build is None]
    of_images = [registry_of(image) for image in [*images, project.proxy.image]]
    return tuple(dict.fromkeys([*of_images, *(config_key(item.server) for item in project.registries)]))


def judge(attempts: Sequence[LoginAttempt]) -> list[Finding]:
    """The findings about logins: none about Docker Hub where no login is used or needed."""
    return [
        judge_login(attempt)
        for attempt in attempts
        if attempt.registry != HUB
        or attempt.pushes
        or attempt.error
        or attempt.is_private
        or (attempt.login and attempt.login.credentials)
    ]


def judge_login(attempt: LoginAttempt) -> Finding:
    """The finding about one login."""
    name, machine = display_name(attempt.registry), attempt.machine
    login, error = attempt.login, attempt.error
    if error is not None:
        fix = error.hint or login_command(attempt.registry)
        return Finding("registries", name, "problem", error.summary, fix)
    if attempt.timed_out:
        what = f"the login from {machine} could not be tested: no answer in time"
        return Finding("registries", name, "warning", what, f"can {machine} reach {name}?")
    if login is not None and login.credentials is not None:
        user = "a token" if login.credentials.is_identity_token else login.credentials.username
        what = f"accepts the login of {user} ({login.credentials.origin}) from {machine}"
        return Finding("registries", name, "ok", what)
    unreadable = login.error if login is not None else None
    fix = f"{login_command(attempt.registry)}, or list it under `registries` in ftl.yaml"
    if unreadable is not None:
        level: Level = "problem" if attempt.pushes or attempt.is_private else "warning"
        return Finding("registries", name, level, unreadable, fix)
    if attempt.is_private:
        what = f"there is no login, and {machine} cannot pull the project's images without one"
        return Finding("registries", name, "problem", what, fix)
    if attempt.pushes:
        what = "there is no login, and most registries require one for a push"
        return Finding("registries", name, "warning", what, fix)
    return Finding("registries", name, "ok", "there is no login, which is fine for public images")
