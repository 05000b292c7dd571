"""Helper containers that an interrupted operation left on a server. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.engine import labels

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.engine.values import Container

HELPERS = (labels.ROLE_TRANSFER, labels.ROLE_NOTIFY)
"""Roles of helpers."""

HELPER_SECONDS = 3600.0
"""Age at which a helper that does not run is abandoned.

Others are created, used and removed within a minute. One that reads a backup for long runs meanwhile.
"""

DRILL_SECONDS = 6 * 3600.0
"""Time to live of a throwaway database (`ftl restore --drill`).

The server removes it by itself, unless it restarts meanwhile.
"""


def abandoned(observed: Observed) -> tuple[Container, ...]:
    """The project's helpers, and its throwaway databases, that nobody uses any more."""
    now = observed.info.now
    own = (one for role in (*HELPERS, labels.ROLE_RUN) for one in observed.of_role(role))
    return tuple(container for container in own if is_abandoned(container, now))


def is_abandoned(container: Container, now: float) -> bool:
    """Whether a helper, or a throwaway database, is abandoned; `now` by its server's clock."""
    age = now - container.created
    if labels.DRILL in container.labels:
        return container.state in ("exited", "dead") or age > DRILL_SECONDS
    is_helper = container.labels.get(labels.ROLE) in HELPERS
    return is_helper and container.state != "running" and age > HELPER_SECONDS
