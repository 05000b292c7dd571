"""Drill: a restore into a throwaway database, to see that a backup can be restored."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.deploy.observe.abandoned import DRILL_SECONDS, is_abandoned
from ftl.deploy.plan.desired.specs import dependency_container
from ftl.engine import labels
from ftl.events import Note
from ftl.operations.databases.load import await_ready, load_dump, missing_roles
from ftl.operations.watchdog import watched

if TYPE_CHECKING:
    from ftl.config.models.project import Dependency, Project
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.operations.databases.sources import Dump
    from ftl.operations.databases.tools import RunningDatabase


async def drill(
    project: Project,
    dependency: Dependency,
    running: RunningDatabase,
    image: str,
    dump: Dump,
    emit: Emit,
) -> str:
    """Restore into a throwaway container of the same image and env, and count its contents.

    Raises:
        FtlError: The throwaway did not start, or took no dump.
    """
    label_map = {
        labels.PROJECT: project.name,
        labels.SERVICE: dependency.name,
        labels.ROLE: labels.ROLE_RUN,
        labels.DRILL: "true",
    }
    spec = replace(
        dependency_container(project, dependency).spec,
        image=image,
        labels=label_map,
        mounts=(),
        publish=(),
        networks={},
        restart="no",
    )
    session = running.session
    name = f"{project.name}-{dependency.name}-drill-{secrets.token_hex(4)}"
    async with watched(session.machine, "run", name, f"{DRILL_SECONDS:.0f}"):
        try:
            throwaway = replace(running, container=await shielded(session.engine.create(name, spec)))
            await session.engine.start(throwaway.container)
            await await_ready(replace(throwaway, name=f"the throwaway {dependency.name}"))
            if running.kind.tool == "pg_dump":
                _, roles = await missing_roles(throwaway, dump)
                if roles:
                    listed = ", ".join(roles)
                    emit(
                        Note(f"the dump names roles that a new server has to get before a restore: {listed}")
                    )
            return await load_dump(throwaway, dump, "drill", emit)
        finally:
            await shielded(session.engine.remove(name, force=True))


async def remove_drills(session: Session, project: str) -> None:
    """Remove throwaway databases of drills that were cut, with their data.

    The server went down meanwhile.
    """
    label_map = {labels.PROJECT: project, labels.ROLE: labels.ROLE_RUN, labels.DRILL: "true"}
    for container in await session.engine.containers(labels=label_map):
        if is_abandoned(container, session.info.now):
            await session.engine.remove(container.id, force=True)
