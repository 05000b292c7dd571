"""Observer: connects to servers and looks at a project; the reading half of a backend."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from ftl.dataclass import dataclass
from ftl.deploy.observe.cluster import observe_fleet
from ftl.host.fleet import Fleet, open_readable

if TYPE_CHECKING:
    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.state import Observed
    from ftl.host.fleet import FleetConnector

Observe = Callable[[Fleet, str, Sequence["ClusterServer"]], Coroutine[Any, Any, "Observed"]]
"""Sessions x project's name x servers of its cluster -> observed servers."""


@dataclass(frozen=True, slots=True)
class Observer:
    """The functions by which commands look at a project, without modules that change one.

    Attributes:
        connect: Machines of the servers x where notes go -> context manager of their open sessions.
        observe: Observes a project on them.
    """

    connect: FleetConnector
    observe: Observe


DOCKER_OBSERVER = Observer(open_readable, observe_fleet)
"""The observer of `DOCKER` (`deploy/backend.py`).

It waits less for servers that do not answer.
"""
