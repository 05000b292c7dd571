"""Which credentials a push or pull goes by: each registry is looked up once in a run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.image.registry.configured import configured_credentials
from ftl.image.registry.docker_config import HelperFailed, stored_credentials
from ftl.image.registry.names import config_key, registry_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config import Registry
    from ftl.image.registry.credentials import Credentials


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """What is known about logging in to a registry.

    Attributes:
        registry: As docker's config file calls it.
        credentials: None where there are none: the registry may well be public.
        error: Why they could not be had, if something failed.
    """

    registry: str
    credentials: Credentials | None = None
    error: str | None = None

    @property
    def auth_config(self) -> Mapping[str, str] | None:
        """For the engine."""
        return self.credentials.auth_config() if self.credentials is not None else None


class Keyring:
    """The credentials of one run: those that ftl.yaml lists, else those that docker keeps on this machine."""

    def __init__(self, registries: Sequence[Registry], *, root: Path, environ: Mapping[str, str]) -> None:
        """Prepare; nothing is looked up yet.

        Args:
            registries: Those of ftl.yaml.
            root: The folder of ftl.yaml: where their commands run.
            environ: Theirs, and where docker's config file is found by.
        """
        self._listed = {config_key(registry.server): registry for registry in registries}
        self._root = root
        self._environ = environ
        self._found: dict[str, RegistryLogin] = {}
        self._looking = asyncio.Lock()

    async def for_image(self, reference: str) -> RegistryLogin:
        """How to log in to the registry that a reference names; see `for_registry`."""
        return await self.for_registry(registry_of(reference))

    async def for_registry(self, registry: str) -> RegistryLogin:
        """How to log in to a registry, as docker's config file calls it.

        Raises:
            FtlError: The command that ftl.yaml gives for it failed.
        """
        async with self._looking:
            if registry not in self._found:
                self._found[registry] = await self._look(registry)
        return self._found[registry]

    async def _look(self, registry: str) -> RegistryLogin:
        entry = self._listed.get(registry)
        if entry is not None:
            found = await configured_credentials(entry, root=self._root, environ=self._environ)
            if found is not None:
                return RegistryLogin(registry, found)
        try:
            return RegistryLogin(registry, await stored_credentials(registry, self._environ))
        except HelperFailed as error:
            return RegistryLogin(registry, error=f"{error.message}: {error.cause}")
