"""A command in a running container, attached to FTL's terminal or pipes."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.errors import FtlError
from ftl.events import Note
from ftl.figures import seconds_since
from ftl.operations.processes.attached import attach
from ftl.operations.selection import select_container, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.config import ClusterServer
    from ftl.engine.values import Container
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session

SHELL = ("sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")
"""The command where a user gave none: bash if the image has it, else sh."""

NOT_FOUND = (126, 127)
"""Exit status of the docker CLI for a command that cannot be started, by its version."""


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
    emit: Emit,
) -> int:
    """Run a command in a container of a service or dependency; returns its exit status.

    Args:
        fleet: The servers to choose among.
        project: The project's name.
        name: One of its services and dependencies.
        command: The program and its arguments, which no shell parses; empty: a shell.
        replica: See `select_container`.
        terminal: Give it a terminal.
        environment: Name of the project's environment, its FTL_ENV.
        servers: Those of its cluster; empty with one server.
        emit: Receives a note that names the server of several, and one when the container stopped meanwhile.

    Raises:
        UsageError: There is no service or dependency of this name, or no such replica.
        FtlError: It does not run; or no command was given, and its image has no shell.
        ServerError: The connection was lost. The command then ends, too.
    """
    session, container = await select_container(fleet, project, name, replica=replica, servers=servers)
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
        guard=("exec", container.id, token),
    )
    if status:
        await _explain(session, project, name, container, began, status if not command else None, emit)
    return status


def _variables(container: Container, environment: str) -> list[str]:
    """Options of `docker exec` for the variables that hooks and `ftl run` have, too."""
    known = {
        "FTL_ENV": environment,
        "FTL_RELEASE": container.labels.get(labels.RELEASE),
        "FTL_SERVICE": container.labels.get(labels.SERVICE),
    }
    return [word for name, value in known.items() if value for word in ("-e", f"{name}={value}")]


async def _explain(
    session: Session,
    project: str,
    name: str,
    container: Container,
    began: float,
    shell: int | None,
    emit: Emit,
) -> None:
    """Say why a command failed, where the container is the reason.

    Args:
        session: The server.
        project: The project's name.
        name: The service or dependency.
        container: Its container.
        began: Time at which the command began, by the server's clock.
        shell: The exit status of the default command; None where a command was given.
        emit: Receives the note.
    """
    if shell in NOT_FOUND and await session.engine.get_archive(container.id, "/bin/sh") is None:
        raise no_shell(name, f"ftl exec {name}")
    state = await session.engine.container(container.id)
    if state is None or state.restarting or not state.running:
        stopped = "was removed" if state is None else f"stopped ({state.exit_code})"
        emit(Note(f"{short_name(project, container)} {stopped}, and the command with it"))
    elif state.started and _age(state.started, session.info.now) < session.info.now - began:
        emit(Note(f"{short_name(project, container)} stopped, and the command with it; it runs again"))


def _age(started: str, now: float) -> float:
    return seconds_since(started, datetime.fromtimestamp(now, UTC))


def no_shell(name: str, call: str) -> FtlError:
    """The error for an image without a shell, where no command was given."""
    return FtlError(
        f"the image of {name} has no shell", hint=f"name a program of the image: `{call} -- /app --version`"
    )
