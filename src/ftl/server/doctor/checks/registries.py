"""REGISTRY LOGINS: whether the credentials for the project's images are there, and are taken."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftl.aio import gather
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

    from ftl.config import Project
    from ftl.server.doctor.finding import Level

SECONDS = 2.0
"""For a login: a token is had in four round trips to two hosts, and the engine's own way to them is not ours."""

KEYRING_SECONDS = 5.0
"""For a credential helper or a command of ftl.yaml, which may ask a cloud."""

HERE = "this machine"


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """One registry, and what came of logging in.

    Attributes:
        login: None where not even the credentials were had; `failure` says why.
        who: Whose engine tried.
        pushes: The project pushes there, which needs a login nearly everywhere.
        failure: Why it did not work.
        late: It took too long to tell.
        closed: It gives an image that is pulled from there to nobody without a login, and there is none.
    """

    registry: str
    who: str
    pushes: bool = False
    login: RegistryLogin | None = None
    failure: FtlError | None = None
    late: bool = False
    closed: bool = False


class Logins:
    """The registries that a project uses, and the credentials for them: each looked up once."""

    def __init__(self, project: Project | None, *, root: Path, environ: Mapping[str, str]) -> None:
        """Prepare; nothing is looked up yet.

        Args:
            project: Without one there are none.
            root: The folder of ftl.yaml.
            environ: The process environment.
        """
        self.pushed = push_registries(project) if project else ()
        self.used = used_by(project) if project else ()
        self.pulled = pulled_images(project) if project else {}
        self._keyring = Keyring(project.registries if project else (), root=root, environ=environ)

    async def try_here(self) -> list[LoginAttempt]:
        """Log in to what is pushed to, with this machine's engine, which pushes."""
        if not self.pushed:
            return []
        try:
            async with Engine(local_url(), name=HERE) as engine:
                return await self.try_on(engine, self.pushed)
        except FtlError:  # no engine here: that is a finding of its own
            return []

    async def try_there(self, engine: Engine | None) -> list[LoginAttempt]:
        """Log in to all of them with the server's engine, which pulls."""
        if engine is None:
            return []
        tried = await self.try_on(engine, self.used)
        return await gather(self._looked_at(engine, one) for one in tried)

    async def _looked_at(self, engine: Engine, tried: LoginAttempt) -> LoginAttempt:
        """Without a login it counts whether the images that the server still lacks are everybody's."""
        if tried.login is None or tried.login.credentials is not None:
            return tried
        images = self.pulled.get(tried.registry, ())
        try:
            lacking = [one for one in images if await engine.image(one) is None]
        except EngineError:  # it has just answered: what is wrong with it is a finding of its own
            return tried
        return replace(tried, closed=await needs_login(engine, lacking, seconds=SECONDS))

    async def try_on(self, engine: Engine, registries: Sequence[str]) -> list[LoginAttempt]:
        """Log in with one engine."""
        return await gather(self._try(engine, registry) for registry in registries)

    async def _try(self, engine: Engine, registry: str) -> LoginAttempt:
        pushes = registry in self.pushed
        try:
            async with asyncio.timeout(KEYRING_SECONDS):
                login = await self._keyring.for_registry(registry)
        except TimeoutError:
            return LoginAttempt(registry, engine.name, pushes, late=True)
        except FtlError as error:
            return LoginAttempt(registry, engine.name, pushes, failure=error)
        if login.credentials is None:
            return LoginAttempt(registry, engine.name, pushes, login)
        try:
            async with asyncio.timeout(SECONDS):
                await verify(engine, login.credentials)
        except TimeoutError:
            return LoginAttempt(registry, engine.name, pushes, login, late=True)
        except FtlError as error:
            return LoginAttempt(registry, engine.name, pushes, login, error)
        return LoginAttempt(registry, engine.name, pushes, login)


def used_by(project: Project) -> tuple[str, ...]:
    """The registries that a project's images name, and those that ftl.yaml lists; as docker's config calls them."""
    images = [service.image for service in project.services if service.image]
    images += [dependency.image for dependency in project.dependencies]
    named = [registry_of(image) for image in [*images, project.proxy.image]]
    return tuple(dict.fromkeys([*named, *(config_key(one.server) for one in project.registries)]))


def judge(tried: Sequence[LoginAttempt]) -> list[Finding]:
    """What there is to say about logins: nothing of Docker Hub where nobody logs in."""
    return [
        judge_login(one)
        for one in tried
        if one.registry != HUB or one.pushes or one.failure or one.closed or _has_credentials(one)
    ]


def _has_credentials(tried: LoginAttempt) -> bool:
    return tried.login is not None and tried.login.credentials is not None


def judge_login(tried: LoginAttempt) -> Finding:
    """One login."""
    name = display_name(tried.registry)
    login, failure = tried.login, tried.failure
    if failure is not None:
        what = f"{failure.message}: {failure.cause}" if failure.cause else failure.message
        return Finding("registries", name, "problem", what, failure.hint or login_command(tried.registry))
    if tried.late:
        what = f"the login from {tried.who} could not be tried: no answer in time"
        return Finding("registries", name, "warning", what, f"can {tried.who} reach {name}?")
    if login is not None and login.credentials is not None:
        user = "a token" if login.credentials.is_identity_token else login.credentials.username
        what = f"takes the login of {user} ({login.credentials.origin}) from {tried.who}"
        return Finding("registries", name, "ok", what)
    error = login.error if login is not None else None
    fix = f"{login_command(tried.registry)}, or list it below `registries` in ftl.yaml"
    if error is not None:
        level: Level = "problem" if tried.pushes or tried.closed else "warning"
        return Finding("registries", name, level, error, fix)
    if tried.closed:
        what = f"there is no login, and {tried.who} cannot pull the project's images without one"
        return Finding("registries", name, "problem", what, fix)
    if tried.pushes:
        return Finding("registries", name, "warning", "there is no login, and most want one for a push", fix)
    return Finding("registries", name, "ok", "there is no login, which is fine for public images")
