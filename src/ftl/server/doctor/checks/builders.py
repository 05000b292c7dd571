"""Checks of the machines of `build.on`: the login, the engine, and room for a build."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.figures import size
from ftl.config.models.project import Server
from ftl.dataclass import dataclass
from ftl.errors import FtlError
from ftl.host.session import open_session
from ftl.image.building.remote import ROOM, SERVER
from ftl.image.transfer.remote.capabilities import probe_server
from ftl.server.doctor.finding import Finding
from ftl.ssh.machine import machine_of

if TYPE_CHECKING:
    from ftl.config.models.project import Project

SECONDS = 20.0
"""Limit for a builder to let us in and to describe itself."""

TIGHT = 5 * ROOM
"""Free bytes below which a builder is worth a warning.

The base image and the layers of a real app are about as large.
"""


@dataclass(frozen=True, slots=True)
class BuilderInspection:
    """The information gathered about a builder, or the error why it cannot be used.

    Attributes:
        place: The value of `build.on`.
        engine: Its engine's version, platform and store, for people.
        free: Bytes free where its engine keeps images; None where that is not known.
    """

    place: str
    error: FtlError | None = None
    engine: str = ""
    free: int | None = None


def builders_of(project: Project | None) -> tuple[str, ...]:
    """The hosts that `build.on` names, without the project's servers, which are checked anyway."""
    if project is None:
        return ()
    own = {SERVER, "", project.server.host, *(server.host for server in project.servers)}
    places = [each.build.place for each in project.services if each.build is not None]
    return tuple(dict.fromkeys(place for place in places if place not in own))


async def gather_builders(project: Project | None) -> list[BuilderInspection]:
    """Connect to each builder and ask it; errors are part of the result."""
    return await gather(_inspect(place) for place in builders_of(project))


async def _inspect(place: str) -> BuilderInspection:
    try:
        async with asyncio.timeout(SECONDS), open_session(machine_of(Server(host=place))) as session:
            info = session.info
            free = (await probe_server(session.machine, info.root, info.store)).free_for_images
            return BuilderInspection(
                place, None, f"Docker {info.version}, {info.platform}, {info.store}", free
            )
    except TimeoutError:
        return BuilderInspection(place, FtlError(f"{place} did not answer within {SECONDS:g} s"))
    except FtlError as error:
        return BuilderInspection(place, error)


def judge(inspection: BuilderInspection) -> Finding:
    """The finding about a builder."""
    name = inspection.place
    if inspection.error is not None:
        instead = "`build.on: local` or `server` in ftl.yaml builds elsewhere meanwhile"
        hint = inspection.error.hint
        fix = f"{hint}; {instead}" if hint else f"`ssh {name} docker version` has to work; {instead}"
        return Finding("builders", name, "problem", inspection.error.summary, fix)
    fix = f"on {name}: `docker builder prune` empties BuildKit's cache, `docker image prune` removes unused images"
    if inspection.free is None:
        return Finding("builders", name, "ok", inspection.engine)
    what = f"{inspection.engine}, {size(inspection.free)} are free for a build"
    if inspection.free < ROOM:
        what = f"only {size(inspection.free)} are free, and a build there needs {size(ROOM)} at least"
        return Finding("builders", name, "problem", what, fix)
    if inspection.free < TIGHT:
        return Finding("builders", name, "warning", f"only {size(inspection.free)} are free for builds", fix)
    return Finding("builders", name, "ok", what)
