"""Pass credentials for base images to builders in a temporary configuration folder.

Builders read credentials only from Docker's configuration folder. The temporary one has what the user's has (contexts,
plugins, builders, other logins) and the logins of ftl.yaml. It has mode 0700 and is removed when the build ends, or by
the next build if this process is killed.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common import references
from ftl.common.files import read_small_text
from ftl.common.json_fields import as_object
from ftl.common.private_folder import private_folder
from ftl.image.registry.docker_config import CONFIG_FILE, config_folder, read_config, with_credentials
from ftl.image.registry.names import config_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ftl.common.json_fields import Json
    from ftl.config.models.project import Registry, Service
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
    """Provide a Docker configuration folder for builds; None if the user's own is enough.

    `environ` determines the location of the user's own.

    Raises:
        FtlError: The command that ftl.yaml lists for one of the registries failed.
    """
    listed = [registry for registry in registries if registry.password or registry.token or registry.command]
    used = [registry for registry in listed if _may_be_used(registry, services, root)]
    logins = [await keyring.for_registry(config_key(registry.server)) for registry in used]
    credentials = [login.credentials for login in logins if login.credentials is not None]
    if not credentials:
        yield None
        return
    with private_folder(_PREFIX) as folder:
        _fill(folder, config_folder(environ), credentials, read_config(environ))
        yield folder


def _may_be_used(registry: Registry, services: Sequence[Service], root: Path) -> bool:
    """Whether a Dockerfile or `build.cache` mentions the registry; images of Docker Hub mostly do not mention it."""
    return registry.server == references.HUB or any(
        registry.server in text
        for service in services
        for text in (_dockerfile_text(service, root), *(service.build.cache if service.build else ()))
    )


def _dockerfile_text(service: Service, root: Path) -> str:
    if service.build is None:
        return ""
    try:
        return read_small_text(root / Path(service.build.context).expanduser() / service.build.dockerfile)
    except OSError:
        return ""  # the build reports it


def _fill(folder: Path, user_folder: Path, credentials: Sequence[Credentials], config: Json) -> None:
    if user_folder.is_dir():
        for entry in user_folder.iterdir():
            if entry.name != CONFIG_FILE:
                (folder / entry.name).symlink_to(entry.absolute())
    # An empty helper turns the store off for a registry, so that the file is used.
    helpers = {
        **as_object(config.get("credHelpers")),
        **{credential.registry: "" for credential in credentials},
    }
    file = folder / CONFIG_FILE
    file.touch(mode=0o600)
    file.write_text(json.dumps({**with_credentials(config, credentials), "credHelpers": helpers}))
