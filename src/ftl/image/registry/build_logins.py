"""Credentials for base images: builders know what docker's configuration folder holds, so they are given one.

It is the user's own (contexts, plugins, builders, other logins) with the logins of ftl.yaml on top, in a folder of
mode 0700 that goes when the build is over, or with the next one if this process is killed.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftl import references
from ftl.image.registry.docker_config import CONFIG_FILE, config_folder, read_config
from ftl.image.registry.names import config_key
from ftl.json_fields import as_object
from ftl.private_folder import private_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ftl.config import Registry, Service
    from ftl.image.registry.credentials import Credentials
    from ftl.image.registry.keyring import Keyring


_PREFIX = "ftl-docker-"


@asynccontextmanager
async def build_logins(
    services: Sequence[Service],
    registries: Sequence[Registry],
    keyring: Keyring,
    *,
    root: Path,
    environ: Mapping[str, str],
) -> AsyncIterator[Path | None]:
    """A configuration folder for the builds of these services; None where the user's own does.

    Args:
        services: What is built.
        registries: Those of ftl.yaml.
        keyring: Knows the credentials.
        root: The folder of ftl.yaml.
        environ: Says where the user's own folder is.

    Raises:
        FtlError: The command that ftl.yaml gives for one of the registries failed.
    """
    named = [one for one in registries if one.password or one.token or one.command]
    wanted = [one for one in named if _mentioned(one, services, root)]
    logins = [await keyring.for_registry(config_key(one.server)) for one in wanted]
    credentials = [one.credentials for one in logins if one.credentials is not None]
    if not credentials:
        yield None
        return
    with private_folder(_PREFIX) as folder:
        _fill(folder, config_folder(environ), credentials, read_config(environ))
        yield folder


def _mentioned(registry: Registry, services: Sequence[Service], root: Path) -> bool:
    """Whether a Dockerfile names the registry; Docker Hub's images mostly do not name theirs."""
    return registry.server == references.HUB or any(
        registry.server in _dockerfile(service, root) for service in services
    )


def _dockerfile(service: Service, root: Path) -> str:
    if service.build is None:
        return ""
    try:
        return (root / Path(service.build.context).expanduser() / service.build.dockerfile).read_text()
    except (OSError, ValueError):
        return ""  # the build says what is wrong with it


def _fill(folder: Path, own: Path, credentials: Sequence[Credentials], config: Mapping[str, object]) -> None:
    if own.is_dir():
        for entry in own.iterdir():
            if entry.name != CONFIG_FILE:
                (folder / entry.name).symlink_to(entry.absolute())
    # An empty helper turns the store off for a registry: the file counts.
    helpers = {**as_object(config.get("credHelpers")), **{one.registry: "" for one in credentials}}
    entries = {**as_object(config.get("auths")), **{one.registry: one.config_entry() for one in credentials}}
    file = folder / CONFIG_FILE
    file.touch(mode=0o600)
    file.write_text(json.dumps({**config, "credHelpers": helpers, "auths": entries}))
