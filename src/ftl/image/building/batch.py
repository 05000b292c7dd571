"""Batch of builds: their shared inputs, which of them are equal, the request of each."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_file
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import BuildFailed
from ftl.image.building.docker_cli.build_secrets import resolve_secrets
from ftl.image.building.docker_cli.cache import CacheSupport, cache_options
from ftl.image.building.docker_cli.command import BuildRequest
from ftl.image.building.inputs.dockerfile import Dockerfile, parse
from ftl.image.platforms import same_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import Build, Service
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.image.building.docker_cli.buildkit_cli import BuildKitCli


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs shared by builds that run in parallel.

    Attributes:
        root: The folder of ftl.yaml.
        environ: The environment of the docker CLI.
        variables: The same and the lines of .env: values of build secrets.
        remote: The engine is on another machine, reached through SSH.
        caches: What the builder can do with `build.cache`.
        secret_files: Files of `secrets`: no image should have them.
    """

    project: str
    root: Path
    engine: Engine
    cli: BuildKitCli
    environ: Mapping[str, str]
    variables: Mapping[str, str]
    labels: Mapping[str, str]
    server_platform: str | None
    engine_platform: str
    emit: Emit
    no_cache: bool
    remote: bool = False
    caches: CacheSupport = CacheSupport(reads=False, writes=False, github=False)
    secret_files: tuple[Path, ...] = ()

    @property
    def machine(self) -> str | None:
        """Name of the machine that builds; None for this one."""
        return self.engine.name if self.remote else None


def equal_builds(services: Sequence[Service], root: Path, platform: str | None = None) -> list[list[Service]]:
    """Group services with equal context, Dockerfile, target, args, secrets and platform.

    Relative paths start at `root`; `platform` is that of builds that name none.
    """
    groups: list[tuple[Build, list[Service]]] = []
    for service in services:
        assert service.build is not None
        build = replace(
            service.build,
            context=str((root / service.build.context).resolve()),
            dockerfile=os.path.normpath(service.build.dockerfile),
            platform=service.build.platform or platform,
        )
        group = next((members for other, members in groups if other == build), None)
        if group is None:
            groups.append((build, [service]))
        else:
            group.append(service)
    return [members for _, members in groups]


def tags_of(batch: Batch, service: Service) -> tuple[str, ...]:
    """Names of a service's image; the first one is deployed."""
    name = f"{batch.project}-{service.name}:latest"
    return (service.image, name) if service.image else (name,)


def request_of(batch: Batch, services: Sequence[Service], config: Build) -> BuildRequest:
    """The one build of services with equal builds."""
    context = (batch.root / config.context).resolve()
    return BuildRequest(
        context=context,
        dockerfile=readable_dockerfile(context / config.dockerfile),
        tags=tuple(dict.fromkeys(tag for service in services for tag in tags_of(batch, service))),
        labels={**batch.labels, labels.SERVICE: services[0].name},
        args=config.args,
        secrets=resolve_secrets(config.secrets, root=batch.root, environ=batch.variables),
        target=config.target,
        platform=_platform(config, batch),
        no_cache=batch.no_cache,
        cache=cache_options(
            config.cache, batch.caches, project=batch.project, service=services[0].name, root=batch.root
        ),
    )


def _platform(config: Build, batch: Batch) -> str:
    """The platform to build for, or several with commas between them, as the CLI has it.

    Raises:
        BuildFailed: The server's is not among them.
    """
    server = batch.server_platform
    if not config.platforms:
        return config.platform or server or batch.engine_platform
    if server is not None and not any(same_platform(server, platform) for platform in config.platforms):
        raise BuildFailed(
            f"build.platforms does not include the server's platform: {server}",
            hint=f"add {server}: the server pulls this image",
        )
    return ",".join(config.platforms)


def readable_dockerfile(path: Path) -> Path:
    """The Dockerfile as the builder can read it.

    The builder gets the folder that the Dockerfile is in, and follows links inside of it only.
    """
    resolved = path.resolve()
    return path if resolved.is_relative_to(path.parent.resolve()) else resolved


def read_dockerfile(request: BuildRequest, config: Build) -> Dockerfile:
    """Parse the Dockerfile of a build.

    Raises:
        BuildFailed: It cannot be read, or the context is no folder.
    """
    path = os.path.relpath(request.dockerfile)
    if not request.context.is_dir():
        raise BuildFailed(
            f"the build context {config.context} is not a folder", cause=f"{request.context} does not exist"
        )
    try:
        return parse(read_small_file(request.dockerfile).decode(errors="replace"), path, config.args)
    except OSError as error:
        raise BuildFailed(
            f"{path} cannot be read",
            cause=error.strerror,
            hint="`build.dockerfile` is relative to `build.context`",
        ) from None
