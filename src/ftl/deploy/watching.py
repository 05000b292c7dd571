"""Wait for the end of the watch that the server keeps over a release."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.common.figures import duration
from ftl.common.next_step import ftl
from ftl.errors import ServerError, Unhealthy
from ftl.events import Note
from ftl.releases.store import read_watch
from ftl.releases.watch import GRACE_SECONDS

if TYPE_CHECKING:
    from ftl.deploy.plan.steps.watch import WatchRelease
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.releases.watch import ReleaseWatch, WatchOutcome

POLL_SECONDS = 2.0


async def follow(session: Session, step: WatchRelease, emit: Emit, *, hooks: bool) -> WatchOutcome:
    """Wait until the server has ended the watch; leaving early changes nothing there.

    Args:
        session: The server.
        step: The watch that was started.
        emit: Receives progress events.
        hooks: Whether hooks of the release ran before the switch.

    Raises:
        Unhealthy: The server switched back.
        ServerError: It does not say how the watch ended: it was restarted.
    """
    emit(
        Note(
            f"watching {step.release} for {duration(step.seconds)}: the containers of {step.before} are kept",
            hint="Ctrl-C ends only this command: the server keeps watching and switches back by itself",
        )
    )
    watch = await _end(session, step)
    if watch is None:
        raise ServerError(
            f"the watch of {step.release} was interrupted: {step.release} stays live",
            cause=f"{session.name} has no record of how it ended, as after a restart",
            hint=f"{ftl('deploy')} removes the containers of the previous release",
        )
    if watch.outcome == "switched_back":
        stay = "; what its pre hooks changed stays" if hooks else ""
        raise Unhealthy(
            f"{step.release} was taken back, {step.before} is live again{stay}",
            cause=watch.reason,
            hint=f"{ftl(f'logs --release {step.release}')} shows its containers, which are stopped",
        )
    if watch.outcome == "ended":
        emit(Note(f"the watch of {step.release} has ended: {watch.reason}", "warning"))
    return watch.outcome


async def _end(session: Session, step: WatchRelease) -> ReleaseWatch | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(step.seconds + step.drain + step.stop + GRACE_SECONDS):
            while True:
                await asyncio.sleep(POLL_SECONDS)
                watch = await read_watch(session.engine, step.project, step.release)
                if watch is None or watch.outcome != "watching":
                    return watch
    return None
