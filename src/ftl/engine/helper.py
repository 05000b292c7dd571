"""Helper containers: each does one command on files of a server, and is removed."""

from __future__ import annotations

import itertools
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.aio import shielded
from ftl.engine import labels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ftl.engine.api import Engine
    from ftl.engine.specs import ContainerSpec

_RUN = secrets.token_hex(4)
_NUMBERS = itertools.count(1)


@asynccontextmanager
async def helper_container(engine: Engine, stem: str, spec: ContainerSpec) -> AsyncIterator[str]:
    """Create a container that is removed at the end; its ID.

    Those that a killed command left behind go first: they have the same project, role and service, which the spec's
    labels say. The caller has the project's lock, so no other command works with one. A name, of which `stem` is the
    beginning, tells nothing: another container may have any.
    """
    identity = {label: spec.labels[label] for label in (labels.PROJECT, labels.ROLE, labels.SERVICE)}
    for stray in await engine.containers(labels=identity):
        if f"-{_RUN}-" not in stray.name:
            await engine.remove(stray.id, force=True)
    created: list[str] = []

    async def create() -> None:
        created.append(await engine.create(f"{stem}-{_RUN}-{next(_NUMBERS)}", spec))

    try:
        await shielded(create())  # cut off, it would make a container of which nobody knows the ID
        yield created[0]
    finally:
        for container in created:
            await shielded(engine.remove(container, force=True))
