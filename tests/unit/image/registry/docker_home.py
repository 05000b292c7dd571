"""A home folder with a Docker configuration, for tests of credentials."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from typing import TYPE_CHECKING

from ftl.image.registry.keyring import Keyring, RegistryLogin

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Registry


class DockerHome:
    """A home folder with a Docker configuration, helpers on PATH, and registries in ftl.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".docker").mkdir()
        (folder / "bin").mkdir()
        self.environ = {"HOME": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}/usr/bin:/bin"}
        self.registries: tuple[Registry, ...] = ()

    def config(self, config: object) -> None:
        """Write Docker's config file."""
        text = config if isinstance(config, str) else json.dumps(config)
        (self.folder / ".docker" / "config.json").write_text(text)

    def program(self, name: str, script: str) -> None:
        """Create a program on PATH."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def helper(self, name: str, script: str) -> None:
        """Create a credential helper on PATH."""
        self.program(f"docker-credential-{name}", script)

    def login(self, reference: str) -> RegistryLogin:
        """Look up the login for an image."""
        keyring = Keyring(self.registries, root=self.folder, environ=self.environ)
        return asyncio.run(keyring.for_image(reference))

    def credentials(self, reference: str) -> tuple[str, str] | None:
        """Look up the user name and the secret for an image."""
        credentials = self.login(reference).credentials
        return (credentials.username, credentials.secret) if credentials else None


def auth_entry(username: str, password: str) -> dict[str, str]:
    """Make an entry of `auths`."""
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}
