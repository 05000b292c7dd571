"""A command in a running container, attached to FTL's terminal or pipes."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING

from ftl.common.figures import seconds_since, utc_time
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.events import Note
from ftl.operations.processes.attached import attach
from ftl.operations.selection import select_container, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.observer import Observe
    from ftl.engine.values import Container
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session

SHELL = ("sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")
"""The command where a user gave none: bash if the image has it, else sh."""

NOT_FOUND = (126, 127)
"""Exit status of the docker CLI for a command that cannot be started, by its version."""

KILLED = 137
"""Exit status of a command whose container ended, and of one that was killed alone."""

_LOOKS = (0.0, 0.2, 0.4, 0.8)
"""Pauses in seconds before each look at a container whose command was killed: a busy engine reports the end of a
command before that of its container."""


async def execute(
    fleet: Fleet,
    project: str,
    name: str,
    command: Sequence[str],
    *,
    replica: int | None,
    terminal: bool,
    environment: str = "",
    servers: Sequence[ClusterServer] = (),
    observe: Observe,
    emit: Emit,
) -> int:
    """Run a command in a container of a service or dependency; returns its exit status.

    No shell parses the command; without one, a shell runs. `environment` is the name of the project's, its FTL_ENV.
    Notes name the server of several, and say when the container stopped meanwhile.

    Raises:
        UsageError: There is no service or dependency of this name, or no such replica.
        FtlError: It does not run; or no command was given, and its image has no shell.
        ServerError: The connection was lost. The command then ends, too.
    """
    session, container = await select_container(
        fleet, project, name, observe=observe, replica=replica, servers=servers
    )
    if servers:
        emit(Note(f"{name} on {session.name}"))
    token = secrets.token_hex(16)
    began = session.info.now
    kind = "-t" if terminal else "-i"
    term = os.environ.get("TERM") or "xterm"
    status = await attach(
        session.machine,
        "exec.sh",
        "ftl-exec",
        *(kind, term, token, *_variables(container, environment), container.id, *(command or SHELL)),
        terminal=terminal,
        watchdog=("exec", container.id, token),
        emit=emit,
    )
    if status:
        not_started = not command and status in NOT_FOUND
        if not_started and await session.engine.get_archive(container.id, "/bin/sh") is None:
            raise no_shell(name, f"ftl exec {name}")
        for pause in _LOOKS if status == KILLED else _LOOKS[:1]:
            await asyncio.sleep(pause)
            if stop := await _stop(session, container, began):
                emit(Note(f"{short_name(project, container)} {stop}"))
                break
    return status


def _variables(container: Container, environment: str) -> list[str]:
    """Options of `docker exec` for the variables that hooks and `ftl run` have, too."""
    known = {
        "FTL_ENV": environment,
        "FTL_RELEASE": container.labels.get(labels.RELEASE),
        "FTL_SERVICE": container.labels.get(labels.SERVICE),
    }
    return [word for name, value in known.items() if value for word in ("-e", f"{name}={value}")]


async def _stop(session: Session, container: Container, began: float) -> str:
    """Text about a container's stop since its command began, by the server's clock; empty without one."""
    state = await session.engine.container(container.id)
    if state is None:
        return "was removed, which ended the command"
    if state.restarting or not state.running:
        return f"stopped ({state.exit_code}), which ended the command"
    now = session.info.now
    if state.started and seconds_since(state.started, utc_time(now)) < now - began:
        return "stopped, which ended the command; it is running again"
    return ""


def no_shell(name: str, call: str) -> FtlError:
    """The error for an image without a shell, where no command was given."""
    return FtlError(
        f"the image of {name} has no shell", hint=f"give a program of the image: `{call} -- /app --version`"
    )
