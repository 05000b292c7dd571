"""Observed state of a server's proxy, read from its configuration volume in one call."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.engine import labels
from ftl.proxy.caddy import render
from ftl.proxy.names import Installation
from ftl.proxy.site import Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.api import Engine
    from ftl.engine.values import Container

_CONFIG = "config/ftl/caddy.json"
_SITES = "config/ftl/sites/"
_LIVE = "config/live/"


@dataclass(frozen=True, slots=True)
class ProxyState:
    """A server's proxy.

    Attributes:
        container: Its container's ID.
        networks: The networks it is in.
        sites: Each project's site, by project.
        live: (project, service) -> alias of the live release.
        config: Digest of its configuration file; empty where there is none.
        unreadable: Projects whose site is damaged, or written by a newer FTL in a form that this one does not know.
    """

    container: str
    running: bool
    image: str
    networks: tuple[str, ...] = ()
    sites: Mapping[str, Site] = field(default_factory=dict)
    live: Mapping[tuple[str, str], str] = field(default_factory=dict)
    config: str = ""
    unreadable: tuple[str, ...] = ()

    def site(self, project: str) -> Site | None:
        """A project's site; None where it has none."""
        return self.sites.get(project)

    @property
    def up_to_date(self) -> bool:
        """Whether the configuration equals what this version of FTL renders from the stored sites."""
        return self.config == digest(render(tuple(self.sites.values())))


def digest(config: bytes) -> str:
    """Digest of a configuration, by which two are compared."""
    return hashlib.sha256(config).hexdigest()


def site_file(project: str) -> str:
    """The file in the proxy with a project's site."""
    return f"/{_SITES}{project}.json"


async def observe(engine: Engine, *, installation: Installation | None = None) -> ProxyState | None:
    """The server's proxy; None where there is none. Two parallel calls.

    Args:
        engine: The server's engine.
        installation: The proxy's names there.
    """
    name = (installation or Installation()).container
    proxies, files = await gather2(
        engine.containers(labels={labels.ROLE: labels.ROLE_PROXY}), engine.get_archive(name, "/config")
    )
    container = next((proxy for proxy in proxies if proxy.name == name), None)
    return _state(container, files or {}) if container is not None else None


def is_proxy(container: Container) -> bool:
    """Whether FTL created this container as a proxy: it never touches another."""
    return container.labels.get(labels.ROLE) == labels.ROLE_PROXY


def _state(container: Container, files: Mapping[str, bytes]) -> ProxyState:
    sites: dict[str, Site] = {}
    live: dict[tuple[str, str], str] = {}
    unreadable = []
    for name, content in sorted(files.items()):
        if name.startswith(_SITES) and name.endswith(".json"):
            project = name.removeprefix(_SITES).removesuffix(".json")
            try:
                sites[project] = Site.from_json(content)
            except ValueError:
                unreadable.append(project)
        elif name.startswith(_LIVE):
            project, dot, service = name.removeprefix(_LIVE).partition(".")
            if project and dot:  # not the ".PROJECT.SERVICE" of a switch in progress
                live[project, service] = content.decode(errors="replace").strip()
    return ProxyState(
        container=container.id,
        running=container.state == "running",
        image=container.image,
        networks=tuple(sorted(endpoint.network for endpoint in container.endpoints)),
        sites=sites,
        live=live,
        config=digest(files[_CONFIG]) if _CONFIG in files else "",
        unreadable=tuple(unreadable),
    )
