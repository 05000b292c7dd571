"""Runner of the step about the messages that the server sends by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.deploy.plan.steps.notifications import SetNotifications
from ftl.errors import FtlError
from ftl.events import Note
from ftl.execution.runners import Runners
from ftl.host import crontab
from ftl.releases import store

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext

RUNNERS: Runners[DeployContext] = Runners()


@RUNNERS.runs(SetNotifications)
async def set_notifications(context: DeployContext, step: SetNotifications) -> None:
    """Write the webhooks and the scripts; a server that cannot use them is a note.

    The release is live by then.
    """
    try:
        await store.write_notify(context.engine, step.project, step.lines)
        posts = b"\nurl " in step.lines
        written = crontab.write_notifications(
            context.machine, step.project, certificates=step.certificates, posts=posts
        )
        await shielded(written)
    except FtlError as error:
        if step.lines:
            because = f" ({error.cause})" if error.cause else ""
            context.emit(Note(f"{error.message}{because}", "warning", hint=error.hint))
