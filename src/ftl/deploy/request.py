"""What a deploy is asked for: the project, its images on this machine, who asks."""

from __future__ import annotations

import getpass
import os
import platform as this_platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl import __version__
from ftl.aio import gather2
from ftl.config.select import select_services
from ftl.deploy.observe.state import observe
from ftl.deploy.plan.changes import LocalImage
from ftl.deploy.plan.planner import Author, make_plan
from ftl.engine import Engine, local_url
from ftl.errors import UsageError
from ftl.image.building import build_images
from ftl.image.identity import content_id, git_commit
from ftl.image.platforms import remember_platform
from ftl.image.registry.build_logins import build_logins
from ftl.image.registry.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config import Project, Service
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.proxy import TlsFiles


@dataclass(frozen=True, slots=True)
class Request:
    """Everything about a deploy that does not depend on the server's state.

    Attributes:
        root: The folder of ftl.yaml: what relative paths start from.
        images: The built images on this machine, by service.
        only: The services that were named; empty for all.
        upgrade_proxy: Replace a proxy that runs, too, where it is another than the project names.
    """

    project: Project
    root: Path
    images: Mapping[str, LocalImage]
    author: Author
    files: TlsFiles
    only: tuple[str, ...]
    upgrade_proxy: bool = False

    def plan(self, observed: Observed) -> Plan:
        """What has to be done on a server as it was observed."""
        return make_plan(
            self.project,
            observed,
            self.images,
            self.author,
            files=self.files,
            only=self.only,
            upgrade_proxy=self.upgrade_proxy,
        )


async def gather(
    project: Project,
    root: Path,
    session: Session,
    *,
    files: TlsFiles,
    only: Sequence[str],
    build: bool,
    upgrade_proxy: bool = False,
    emit: Emit,
) -> tuple[Request, Observed]:
    """Build here and look there at the same time.

    Raises:
        UsageError: A service that the project does not have; no built image and `build` is false.
        BuildFailed: An image could not be built.
    """
    meant = select_services(project, only)
    remember_platform(project.server.host, session.info.platform)
    images, observed = await gather2(
        _images(project, meant, root, session.info.platform, build=build, emit=emit),
        observe(session.engine, session.info, project.name, session.name),
    )
    return Request(project, root, images, await _author(root), files, tuple(only), upgrade_proxy), observed


async def _images(
    project: Project, meant: Sequence[Service], root: Path, platform: str, *, build: bool, emit: Emit
) -> dict[str, LocalImage]:
    """The images of the services that are built here: built now, or as the last build left them."""
    services = [service for service in meant if service.build is not None]
    if not services:
        return {}
    async with Engine(local_url(), name="this machine") as here:
        if build:
            keyring = Keyring(project.registries, root=root, environ=os.environ)
            async with build_logins(
                services, project.registries, keyring, root=root, environ=os.environ
            ) as docker_config:
                built = await build_images(
                    project,
                    services,
                    root=root,
                    engine=here,
                    platform=platform,
                    emit=emit,
                    docker_config=docker_config,
                )
            return {name: LocalImage(one.image.id, one.content) for name, one in built.items()}
        return {service.name: await _last_build(project, service, here) for service in services}


async def _last_build(project: Project, service: Service, here: Engine) -> LocalImage:
    image = await here.image(f"{project.name}-{service.name}:latest")
    if image is None:
        raise UsageError(
            f"there is no built image of {service.name} on this machine",
            hint="leave out --no-build, or run `ftl build` first",
        )
    return LocalImage(image.id, content_id(image))


async def _author(root: Path) -> Author:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "someone"
    return Author(
        f"{user}@{this_platform.node()}", await git_commit(root, os.environ), __version__, time.time()
    )
