"""What no single value shows: names and routes that are taken, files that are missing, settings at odds.

Checks look only at what was read: a value that is wrong by itself has been reported and has its default here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftl.config.models.bindings import Forward, parse_forward, parse_volume
from ftl.config.yaml.tree import Fault, Mark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl.config.models.project import Dependency, Project, Service
    from ftl.config.read.reader import KeyPath, Reader

_PROXY_PORTS = {(80, "tcp"), (443, "tcp"), (443, "udp")}


def check(project: Project, read: Reader, folder: Path) -> Iterator[Fault]:
    """Everything that is wrong with a project as a whole.

    Args:
        project: As far as it could be read.
        read: How it was read: where each value stands, and which sections the file gives.
        folder: The folder of ftl.yaml.
    """
    checker = _Checker(project, read, folder)
    yield from checker.names()
    yield from checker.routes()
    yield from checker.forwards()
    yield from checker.addresses()
    yield from checker.proxy()
    yield from checker.registries()
    for index, service in enumerate(project.services):
        way: KeyPath = ("services", index)
        yield from checker.service(service, way)
        yield from checker.build(service, (*way, "build"))
        yield from checker.mounts(service, way)
        yield from checker.container(service, way)
    for index, dependency in enumerate(project.dependencies):
        yield from checker.mounts(dependency, ("dependencies", index))
        yield from checker.container(dependency, ("dependencies", index))


class _Checker:
    def __init__(self, project: Project, read: Reader, folder: Path) -> None:
        self._project = project
        self._marks = read.marks
        self._sections = read.sections
        self._folder = folder

    def _lacks(self, *way: str | int) -> bool:
        """Whether a section that the file gives has nothing at all under a key."""
        return way[:-1] in self._sections and way not in self._marks

    def _at(self, *way: str | int) -> Mark:
        """Where a value stands, or the nearest section around it that the file gives."""
        while way and way not in self._marks:
            way = way[:-1]
        return self._marks.get(way, Mark(1, 1, 0))

    def names(self) -> Iterator[Fault]:
        """No two services or dependencies share a name: it is how containers find each other."""
        taken: dict[str, KeyPath] = {}
        named: dict[str, tuple[Service | Dependency, ...]] = {
            "services": self._project.services,
            "dependencies": self._project.dependencies,
        }
        for kind, items in named.items():
            for index, item in enumerate(items):
                way: KeyPath = (kind, index, "name")
                if item.name and item.name in taken:
                    first = taken[item.name]
                    what = "service" if first[0] == "services" else "dependency"
                    message = (
                        f"the name {item.name} is taken: the {what} at line {self._at(*first).line} has it"
                    )
                    yield Fault(self._at(*way), message, "give one of them another name")
                elif item.name:
                    taken[item.name] = way

    def routes(self) -> Iterator[Fault]:
        """No two routes take the same requests, and each has a host name."""
        taken: dict[tuple[str, str], str] = {}
        domain = self._project.project.domain
        lacking = domain is None and self._lacks("project", "domain")
        for index, service in enumerate(self._project.services):
            for number, route in enumerate(service.routes):
                way: KeyPath = ("services", index, "routes", number)
                host = route.host or domain
                if host is None:
                    if lacking and (*way, "host") not in self._marks:
                        lacking = False
                        message = f"`domain` of project is missing: the route {route.path} has no host"
                        yield Fault(self._at("project"), message, "write `domain` below `project`")
                    continue
                key = (host, route.path.rstrip("/") or "/")
                if key in taken:
                    message = f"the route {key[1]} of {host} is taken by the service {taken[key]}"
                    yield Fault(self._at(*way, "path"), message, "each path of a host leads to one service")
                else:
                    taken[key] = service.name or "above"

    def forwards(self) -> Iterator[Fault]:
        """No two containers, and no container and the proxy, listen on the same port of the server."""
        taken: list[tuple[Forward, str]] = []
        for index, service in enumerate(self._project.services):
            if service.forwards and service.replicas > 1:
                message = f"{service.replicas} replicas cannot share the server's ports that forwards names"
                yield Fault(
                    self._at("services", index, "replicas"), message, "leave out replicas or forwards"
                )
            for number, text in enumerate(service.forwards):
                forward, mark = parse_forward(text), self._at("services", index, "forwards", number)
                holder = next((name for other, name in taken if forward.collides(other)), None)
                if (forward.host_port, forward.protocol) in _PROXY_PORTS:
                    message = f"forwards: port {forward.host_port} of the server belongs to the proxy"
                    yield Fault(mark, message, "use routes, or another port of the server")
                elif holder is not None:
                    message = f"forwards: port {forward.host_port} of the server is taken by {holder}"
                    yield Fault(mark, message, "give one of them another port")
                taken.append((forward, f"the service {service.name}"))

    def addresses(self) -> Iterator[Fault]:
        """There is a server to deploy to."""
        lacking = ("server",) not in self._marks or self._lacks("server", "host")
        if not self._project.server.host and lacking and self._lacks("project", "domain"):
            mark = self._at("server") if ("server",) in self._marks else self._at("project")
            yield Fault(mark, "`host` of server is missing", "write `host` below `server`, or a domain")

    def proxy(self) -> Iterator[Fault]:
        """A certificate and its key come together, a root with its authority; redirects lead somewhere."""
        proxy = self._project.proxy
        for given, name, other in (
            (proxy.certificate, "certificate", "key"),
            (proxy.key, "key", "certificate"),
        ):
            if given is not None and self._lacks("proxy", other):
                yield Fault(
                    self._at("proxy", name), f"proxy has a {name} but no {other}", f"write `{other}` too"
                )
        if proxy.acme_ca_root is not None and self._lacks("proxy", "acme_ca"):
            mark = self._at("proxy", "acme_ca_root")
            yield Fault(mark, "proxy has an acme_ca_root but no acme_ca", "write `acme_ca` too")
        yield from self._redirects()

    def _redirects(self) -> Iterator[Fault]:
        """A redirect leads from a host that nothing serves to one that a route serves."""
        domain = self._project.project.domain
        served = {route.host or domain for one in self._project.services for route in one.routes}
        taken: set[str] = set()
        for index, redirect in enumerate(self._project.proxy.redirects):
            way: KeyPath = ("proxy", "redirects", index)
            if redirect.host in served:
                message = f"redirects: {redirect.host} is the host of a route"
                yield Fault(self._at(*way, "host"), message, "one host is either served or sent on")
            if redirect.host in taken:
                yield Fault(self._at(*way, "host"), f"redirects: {redirect.host} is given twice", "keep one")
            taken.add(redirect.host)
            if redirect.to and redirect.to not in served:
                hosts = ", ".join(sorted(filter(None, served))) or "none"
                message = f"redirects: no route serves {redirect.to}"
                yield Fault(self._at(*way, "to"), message, f"the hosts of the routes: {hosts}")

    def registries(self) -> Iterator[Fault]:
        """Each registry is named once, with one secret, and a password has its user."""
        taken: set[str] = set()
        for index, registry in enumerate(self._project.registries):
            way: KeyPath = ("registries", index)
            if registry.server in taken:
                yield Fault(
                    self._at(*way, "server"), f"{registry.server} is listed twice", "keep one of the two"
                )
            taken.add(registry.server)
            given = [name for name in ("password", "token", "command") if (*way, name) in self._marks]
            if len(given) > 1:
                message = f"registries[{index}] has both {given[0]} and {given[1]}"
                yield Fault(self._at(*way, given[1]), message, "one of them is the secret")
            if "password" in given and self._lacks(*way, "username"):
                yield Fault(
                    self._at(*way, "password"),
                    "registries has a password but no username",
                    "write `username`",
                )
            if registry.username is not None and not given:
                message = "registries has a username but no secret"
                yield Fault(self._at(*way, "username"), message, "write `password`, `token` or `command`")

    def service(self, service: Service, way: KeyPath) -> Iterator[Fault]:
        """A service has an image from somewhere, and a port if anything is to be sent there."""
        if self._lacks(*way, "image") and self._lacks(*way, "build"):
            hint = "write `build: .` to build it here, or `image: NAME` to pull it"
            yield Fault(self._at(*way), f"{_the(service)} has neither image nor build", hint)
        if service.build is not None and service.image is not None and "@" in service.image:
            hint = "name a tag: what is built here gets a digest of its own"
            yield Fault(self._at(*way, "image"), "image has a digest, but build makes a new image", hint)
        if self._lacks(*way, "port"):
            needs = "routes" if service.routes else "a health_check" if service.health_check else None
            if needs is not None:
                message = f"{_the(service)} has {needs} but no port"
                yield Fault(self._at(*way), message, "write `port`: what the app listens on")
        for name in ("pre", "post"):
            inner = (*way, "hooks", name)
            if self._lacks(*inner, "local") and self._lacks(*inner, "remote"):
                yield Fault(self._at(*inner), f"{name} has neither local nor remote")

    def build(self, service: Service, way: KeyPath) -> Iterator[Fault]:
        """What is to be built is there."""
        if service.build is None:
            return
        context = os.path.join(self._folder, os.path.expanduser(service.build.context))  # noqa: PTH111, PTH118
        file = os.path.join(context, service.build.dockerfile)  # noqa: PTH118
        if not os.path.isdir(context):  # noqa: PTH112 -- pathlib's raises for a name that is too long
            message = f"context: there is no folder {service.build.context}"
            hint = "it is the folder with the Dockerfile, relative to ftl.yaml"
            yield Fault(self._at(*way, "context"), message, hint)
        elif not os.path.isfile(file):  # noqa: PTH113
            given = "dockerfile" if (*way, "dockerfile") in self._marks else "context"
            message = f"dockerfile: there is no file {os.path.relpath(file, self._folder)}"
            hint = (
                "its place is relative to the context"
                if given == "dockerfile"
                else "write one, or run a ready image with `image: NAME` in place of `build`"
            )
            yield Fault(self._at(*way, given), message, hint)
        for index, secret in enumerate(service.build.secrets):
            if secret.env is not None and secret.file is not None:
                message = f"secrets: {secret.id} has both env and file"
                yield Fault(self._at(*way, "secrets", index), message, "keep one of the two")

    def mounts(self, item: Service | Dependency, way: KeyPath) -> Iterator[Fault]:
        """Two volumes are not mounted over each other."""
        taken: set[str] = set()
        for index, text in enumerate(item.volumes):
            target = parse_volume(text).target.rstrip("/")
            if target in taken:
                message = f"volumes: {target} is given twice"
                yield Fault(self._at(*way, "volumes", index), message, "mount one volume there")
            taken.add(target)

    def container(self, item: Service | Dependency, way: KeyPath) -> Iterator[Fault]:
        """A soft limit is not above the hard one."""
        for index, limit in enumerate(item.container.ulimits):
            if limit.hard != -1 and (limit.soft > limit.hard or limit.soft == -1):
                inner = (*way, "container", "ulimits", index)
                if (*inner, "hard") in self._marks:
                    message = f"soft: {limit.soft} is more than hard: {limit.hard}"
                    yield Fault(self._at(*inner, "soft"), message)


def _the(service: Service) -> str:
    return f"the service {service.name}" if service.name else "the service"
