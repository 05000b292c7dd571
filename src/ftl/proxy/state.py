"""Observed state of a server's proxy, read from its configuration volume in one call."""

from __future__ import annotations

import hashlib
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.common.json_fields import parse_json
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.proxy.configuration.caddy import render
from ftl.proxy.names import ProxyNames, networks_of
from ftl.proxy.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.engine.api import Engine
    from ftl.engine.values import Container

_CONFIG = "config/ftl/caddy.json"
_SITES = "config/ftl/sites/"
_COPIES = "config/ftl/copies/"
_LIVE = "config/live/"


@dataclass(frozen=True, slots=True)
class ProxyState:
    """A server's proxy.

    Attributes:
        live: (project, service) -> alias of the live release.
        config: Digest of its configuration file; empty where there is none.
        leftovers: Names of other containers of the proxy, which an upgrade uses or an interrupted one left.
        unreadable: Projects whose site a newer FTL wrote in a form that this one does not know.
        damaged: Projects whose site is not one at all; their last one is used if a copy of it is intact.
    """

    container: str
    running: bool
    image: str
    networks: tuple[str, ...] = ()
    sites: Mapping[str, Site] = field(default_factory=dict)
    live: Mapping[tuple[str, str], str] = field(default_factory=dict)
    config: str = ""
    leftovers: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def site(self, project: str) -> Site | None:
        """A project's site; None where it has none."""
        return self.sites.get(project)

    def has_traces(self, project: str) -> bool:
        """Whether it has anything of a project: a site, live files, or its network."""
        return (
            project in self.sites
            or project in self.damaged
            or any(owner == project for owner, _ in self.live)
            or any(network in self.networks for network in networks_of(project))
        )

    @property
    def up_to_date(self) -> bool:
        """Whether the configuration equals that which this version of FTL renders of the sites."""
        return self.config == digest(render(tuple(self.sites.values())))


def digest(config: bytes) -> str:
    """Digest of a configuration, by which two are compared."""
    return hashlib.sha256(config).hexdigest()


def site_file(project: str) -> str:
    """The file in the proxy with a project's site."""
    return f"/{_SITES}{project}.json"


async def observe(engine: Engine, *, installation: ProxyNames | None = None) -> ProxyState | None:
    """The server's proxy; None where there is none. Two parallel calls."""
    names = installation or ProxyNames()
    proxies, files = await gather2(
        engine.containers(labels={labels.ROLE: labels.ROLE_PROXY}),
        engine.get_archive(names.container, "/config"),
    )
    own = own_containers(proxies, names)
    container = serving(own, names)
    if container is None:
        return None
    if files is None:  # an upgrade was interrupted between its renames
        files = await engine.get_archive(container.id, "/config")
    leftovers = tuple(sorted(each.name for each in own if each.id != container.id))
    return _state(container, files or {}, leftovers)


def is_proxy(container: Container) -> bool:
    """Whether FTL created this container as a proxy: it never touches another."""
    return container.role == labels.ROLE_PROXY


def own_containers(containers: Iterable[Container], names: ProxyNames) -> list[Container]:
    """The containers of an installation's proxy, by label and volume: an upgrade has several."""
    return [
        container
        for container in containers
        if is_proxy(container) and any(mount.source == names.config_volume for mount in container.mounts)
    ]


def serving(own: Iterable[Container], names: ProxyNames) -> Container | None:
    """The container that is the proxy: one that runs, else the one with its name.

    One that only reads the configuration validates it for an upgrade.
    """
    proxies = [
        container
        for container in own
        if not any(mount.source == names.config_volume and mount.read_only for mount in container.mounts)
    ]
    return max(
        proxies,
        key=lambda container: (
            container.state == "running",
            container.name == names.container,
            container.created,
        ),
        default=None,
    )


def _state(container: Container, files: Mapping[str, bytes], leftovers: tuple[str, ...]) -> ProxyState:
    sites: dict[str, Site] = {}
    live: dict[tuple[str, str], str] = {}
    unreadable, damaged = [], []
    for name, content in sorted(files.items()):
        if name.startswith(_SITES) and name.endswith(".json"):
            project = name.removeprefix(_SITES).removesuffix(".json")
            site = _read_site(content)
            if site is None and _is_site_of(project, content):
                unreadable.append(project)
                continue
            if site is None:
                damaged.append(project)
                site = _read_site(files.get(f"{_COPIES}{project}.json", b""))
            if site is not None:
                sites[project] = site
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
        leftovers=leftovers,
        unreadable=tuple(unreadable),
        damaged=tuple(damaged),
    )


def _read_site(content: bytes) -> Site | None:
    try:
        return Site.from_json(content)
    except ValueError:
        return None


def _is_site_of(project: str, content: bytes) -> bool:
    """Whether something that this version cannot read is a site, and so a newer version's."""
    try:
        stored = parse_json(content)
    except ValueError:
        return False
    return isinstance(stored, dict) and stored.get("project") == project
