"""Look up credentials for registries, each once per run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.image.registry.configured import configured_credentials
from ftl.image.registry.docker_config import HelperFailed, stored_credentials
from ftl.image.registry.names import config_key, registry_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import Registry
    from ftl.image.registry.credentials import Credentials


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """The credentials for a registry, or the reason why there are none.

    Attributes:
        registry: Its key in Docker's config file.
        credentials: None if there are none: the registry may be public.
        error: Why they could not be read, if the lookup failed.
    """

    registry: str
    credentials: Credentials | None = None
    error: str | None = None

    @property
    def auth_config(self) -> Mapping[str, str] | None:
        """AuthConfig for the Engine API."""
        return self.credentials.auth_config() if self.credentials is not None else None


class Keyring:
    """Credentials of one run: from ftl.yaml, else from Docker's configuration."""

    def __init__(self, registries: Sequence[Registry], *, root: Path, environ: Mapping[str, str]) -> None:
        """Prepare; nothing is looked up yet.

        Commands of ftl.yaml run in its folder, `root`, with `environ`, which also determines the location of Docker's
        config file.
        """
        self._configured = {config_key(registry.server): registry for registry in registries}
        self._root = root
        self._environ = environ
        self._logins: dict[str, RegistryLogin] = {}
        self._lock = asyncio.Lock()

    async def for_image(self, reference: str) -> RegistryLogin:
        """Return the login for the registry of an image; see `for_registry`."""
        return await self.for_registry(registry_of(reference))

    async def for_registry(self, registry: str) -> RegistryLogin:
        """Return the login for a registry, given its key in Docker's config file.

        Raises:
            FtlError: The command that ftl.yaml lists for it failed.
        """
        async with self._lock:
            if registry not in self._logins:
                self._logins[registry] = await self._look_up(registry)
        return self._logins[registry]

    async def _look_up(self, registry: str) -> RegistryLogin:
        entry = self._configured.get(registry)
        if entry is not None:
            credentials = await configured_credentials(entry, root=self._root, environ=self._environ)
            if credentials is not None:
                return RegistryLogin(registry, credentials)
        try:
            return RegistryLogin(registry, await stored_credentials(registry, self._environ))
        except HelperFailed as error:
            return RegistryLogin(registry, error=error.summary)
