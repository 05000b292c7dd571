"""Further logins for a registry that wants one: where those of this run are not enough.

A release is known by its record alone, which has no credentials, so a rollback begins without those of ftl.yaml. They
are read when they are needed and not before: a vault that does not answer must not stop a rollback that can do without.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.aio import in_thread
from ftl.common.json_fields import as_object, parse_json
from ftl.errors import FtlError, ServerError
from ftl.image.registry.configured import configured_credentials
from ftl.image.registry.docker_config import READ_CONFIG, HelperFailed, find_credentials
from ftl.image.registry.keyring import RegistryLogin
from ftl.image.registry.names import config_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from ftl.child import Completed
    from ftl.config.models.project import Registry
    from ftl.image.registry.credentials import Credentials
    from ftl.ssh.machine import Machine

LOAD_SECONDS = 60.0
"""Limit for the secrets in `registries`."""

SERVER_SECONDS = 20.0


class FurtherLogins:
    """Logins from ftl.yaml, read late, and from the server's own Docker configuration.

    Args:
        load: Reads `registries` of today's ftl.yaml; blocks. None where the run has them already.
    """

    def __init__(
        self, load: Callable[[], Sequence[Registry]] | None, *, root: Path, environ: Mapping[str, str]
    ) -> None:
        self._load = load
        self._root = root
        self._environ = environ
        self._loaded: Sequence[Registry] | None = None
        self._credentials: dict[str, tuple[Credentials, ...]] = {}
        self._failed: FtlError | None = None
        self._reading = asyncio.Lock()

    async def of(self, registry: str, machine: Machine) -> AsyncIterator[RegistryLogin]:
        """Further logins for a registry, given its key in Docker's config file."""
        async with self._reading:  # pulls side by side ask the vault once
            if registry not in self._credentials:
                self._credentials[registry] = await self._configured(registry)
        for credentials in self._credentials[registry]:
            yield RegistryLogin(registry, credentials)
        try:
            stored = await _credentials_on(machine, registry)
        except (HelperFailed, ServerError):
            stored = None
        if stored is not None:
            yield RegistryLogin(registry, stored)

    @property
    def problem(self) -> str:
        """The reason why a login of ftl.yaml could not be read; empty if there is none."""
        return self._failed.summary if self._failed is not None else ""

    async def _configured(self, registry: str) -> tuple[Credentials, ...]:
        found = []
        for entry in await self._registries():
            if config_key(entry.server) != registry:
                continue
            try:
                found.append(await configured_credentials(entry, root=self._root, environ=self._environ))
            except FtlError as error:
                self._failed = error
        return tuple(credentials for credentials in found if credentials is not None)

    async def _registries(self) -> Sequence[Registry]:
        if self._loaded is None:
            self._loaded = ()
            try:
                self._loaded = await in_thread(self._load, LOAD_SECONDS) if self._load is not None else ()
            except FtlError as error:
                self._failed = error
            except TimeoutError:
                self._failed = FtlError("the secrets in `registries` of ftl.yaml took too long")
        return self._loaded


async def _credentials_on(machine: Machine, registry: str) -> Credentials | None:
    """The credentials that Docker of the user on a server has stored for a registry.

    Raises:
        HelperFailed: Its helper failed there.
        ServerError: The server does not answer.
    """
    read = await machine.run(["sh", "-c", READ_CONFIG], timeout=SERVER_SECONDS)
    try:
        config = as_object(parse_json(read.stdout or b"{}"))
    except ValueError:
        return None

    async def ask(program: str) -> Completed:
        return await machine.run([program, "get"], stdin=registry.encode(), timeout=SERVER_SECONDS)

    return await find_credentials(config, registry, ask, origin=f"docker's configuration on {machine.name}")
