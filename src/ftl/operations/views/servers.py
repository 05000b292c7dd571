"""Servers of a cluster: which answer, which are drained, and their containers. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftl.dataclass import dataclass
from ftl.proxy.site import same_anywhere

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.config.models.project import Project
    from ftl.deploy.observe.observer import Observer
    from ftl.deploy.observe.state import Observed, ServerView
    from ftl.events import Emit
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One of several servers.

    Attributes:
        state: "down" if it does not answer, or is cut off; "drained" if the Swarm places nothing there.
        proxy: "behind" if it does not send requests to the live release, or has other routes, redirects or maintenance
            than the others; empty where it shall have none.
        cut_off: Whether the other servers do not reach it, though it answers.
    """

    host: str
    state: Literal["ready", "down", "drained"]
    manager: bool = False
    proxy: Literal["", "up", "behind", "down"] = ""
    tasks: int = 0
    cut_off: bool = False


async def servers(
    project: Project, machines: Sequence[Machine], observer: Observer, emit: Emit
) -> tuple[ServerStatus, ...]:
    """The servers of a project.

    Notes say for which it waits.

    Raises:
        ServerError, EngineError: No server answers, or they are not a cluster.
    """
    async with observer.connect(machines, emit) as fleet:
        return tuple(server_states(project, await observer.observe(fleet, project.name, project.servers)))


def server_states(project: Project, observed: Observed) -> Iterable[ServerStatus]:
    """The servers in the order of the file, with those that do not answer. Pure."""
    views = {view.name: view for view in observed.views}
    for server in project.servers:
        view = views.get(server.host)
        if view is None:
            yield ServerStatus(server.host, "down")
            continue
        tasks = sum(
            container.state == "running" and container.project == project.name
            for container in view.containers
        )
        state: Literal["ready", "down", "drained"] = "drained" if view.drained else "ready"
        state = "down" if view.cut_off else state
        proxy = _proxy_state(observed, view)
        yield ServerStatus(server.host, state, view.manager, proxy, tasks, view.cut_off)


def _proxy_state(observed: Observed, view: ServerView) -> Literal["", "up", "behind", "down"]:
    if not view.web:
        return ""
    if view.proxy is None or not view.proxy.running:
        return "down"
    live = observed.proxy.live if observed.proxy is not None else {}
    own = {key: alias for key, alias in live.items() if key[0] == observed.project}
    site = observed.proxy.site(observed.project) if observed.proxy is not None else None
    stored = view.proxy.site(observed.project)
    same_site = stored is None if site is None else stored is not None and same_anywhere(stored, site)
    same_live = all(view.proxy.live.get(key) == alias for key, alias in own.items())
    return "up" if same_site and same_live else "behind"
