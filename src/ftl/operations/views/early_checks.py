"""Checks of containers, begun before the server lists them, from notes of the last status.

Over a kept connection the list takes a round trip, and a check by it two more. An answer counts only for a container
that is then listed exactly as it was assumed, so nothing that is printed is older than the command. The notes are in
the folder of the kept connection and go with it: within minutes an address is rarely another container's.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import astuple
from typing import TYPE_CHECKING

from ftl.common.json_fields import parse_json
from ftl.errors import FtlError
from ftl.operations.views.container_health import ProbeTarget, ask, belongs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.engine.api import Engine
    from ftl.engine.values import Container
    from ftl.operations.views.container_health import CheckInputs
    from ftl.ssh.machine import Machine

MOST = 32
"""Checks that begin early at most: each takes a connection or two."""

_LATER = 0.001
"""Seconds by which they let the look itself take the connections that are open."""

EarlyChecks = dict[ProbeTarget, asyncio.Task["CheckInputs | None"]]


def begin(group: asyncio.TaskGroup, project: Project, engine: Engine, machine: Machine) -> EarlyChecks:
    """Begin to check the containers of the last status; the result of a failed check is None."""

    async def check(subject: ProbeTarget) -> CheckInputs | None:
        await asyncio.sleep(_LATER)
        with suppress(FtlError):
            return await ask(project, engine, machine, subject)
        return None

    subjects = _recall(_file(project, machine))[:MOST]
    return {subject: group.create_task(check(subject)) for subject in subjects}


def update_notes(early: EarlyChecks, project: Project, machine: Machine, listed: Iterable[Container]) -> None:
    """Cancel the checks of containers that have changed; note the listed for the next status."""
    subjects = [ProbeTarget.of(container) for container in listed if belongs(container, project.name)]
    for subject in early.keys() - set(subjects):
        early[subject].cancel()
    file = _file(project, machine)
    if file is not None:
        with suppress(OSError):
            file.write_text(json.dumps([astuple(subject) for subject in subjects]))


def _file(project: Project, machine: Machine) -> Path | None:
    folder = machine.kept_folder
    return folder / f"status-{project.name}.json" if folder is not None else None


def _recall(file: Path | None) -> list[ProbeTarget]:
    """The containers in the notes; none where another version wrote them, or a command is writing them now."""
    if file is None:
        return []
    with suppress(OSError, ValueError, TypeError):
        notes = parse_json(file.read_bytes())
        return [_subject(*note) for note in notes] if isinstance(notes, list) else []
    return []


def _subject(number: object, role: object, service: object, running: object, address: object) -> ProbeTarget:
    if not (
        isinstance(number, str)
        and isinstance(role, str)
        and isinstance(service, str)
        and isinstance(running, bool)
        and (address is None or isinstance(address, str))
    ):
        raise ValueError("not a note of a container")
    return ProbeTarget(number, role, service, running, address)
