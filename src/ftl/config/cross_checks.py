"""Cross-field validation: duplicate names and routes, missing files, conflicting settings.

The checks see only what was read: a value that is invalid by itself has been reported, and its default is here.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from ftl.config.values.bindings import Forward, parse_forward, parse_volume
from ftl.config.values.container import parse_tmpfs
from ftl.config.yaml.marks import Marks
from ftl.databases import unused_mount
from ftl.errors import ConfigError
from ftl.suggestions import closest_match

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ftl.config.models.project import Dependency, Project, Service
    from ftl.config.models.service import BuildSecret
    from ftl.config.read.reader import Reader
    from ftl.config.yaml.marks import KeyPath, Mark
    from ftl.errors import Problem

_MAX_ARGUMENT = 128 * 1024
"""Bytes from which on Linux refuses an argument or a variable of a program (execve(2), MAX_ARG_STRLEN)."""

_PROXY_PORTS = {(80, "tcp"), (443, "tcp"), (443, "udp")}


def check(project: Project, reader: Reader) -> None:
    """Report everything that is wrong with a project as a whole.

    Args:
        project: The project, as far as it could be read.
        reader: Its reader: has the places and the sections of the files, and receives the problems.
    """
    checks = _Checks(project, reader)
    checks.names()
    checks.start_order()
    checks.routes()
    checks.forwards()
    checks.server()
    checks.proxy()
    checks.redirects()
    checks.registries()
    checks.jobs()
    checks.backups()
    for index, service in enumerate(project.services):
        path: KeyPath = ("services", index)
        checks.service(service, path)
        checks.build(service, (*path, "build"))
        checks.mounts(service, path)
        checks.container(service, path)
    for index, dependency in enumerate(project.dependencies):
        checks.mounts(dependency, ("dependencies", index))
        checks.container(dependency, ("dependencies", index))


def check_secret_files(project: Project, root: Path) -> None:
    """Check that files with build secrets exist; other commands than builds do not need them.

    Raises:
        ConfigError: One does not.
    """
    problems: list[Problem] = []
    for index, service in enumerate(project.services):
        for number, secret in enumerate(service.build.secrets if service.build else ()):
            file = root / secret.file if secret.file else None
            if file is not None and (file.is_dir() or not file.exists()):  # /dev/null is an empty secret
                path: KeyPath = ("services", index, "build", "secrets", number, "file")
                message = f"secrets: there is no file {secret.file}"
                problems.append(
                    project.marks.problem(message, *path, hint="its path is relative to ftl.yaml")
                )
    if problems:
        raise ConfigError(problems)


class _Checks:
    def __init__(self, project: Project, reader: Reader) -> None:
        self._project = project
        self._reader = reader
        self._mark = Marks(reader.marks).nearest

    def _is_given(self, *path: str | int) -> bool:
        return path in self._reader.marks

    def _is_missing(self, *path: str | int) -> bool:
        """Whether a section that the files give has nothing under a key."""
        return path[:-1] in self._reader.sections and path not in self._reader.marks

    def _report(self, mark: Mark, message: str, hint: str | None = None) -> None:
        self._reader.report(mark, message, hint)

    def names(self) -> None:
        """No two services or dependencies have one name: containers find each other by it."""
        taken: dict[str, KeyPath] = {}
        lists: dict[str, tuple[Service | Dependency, ...]] = {
            "services": self._project.services,
            "dependencies": self._project.dependencies,
        }
        for key, items in lists.items():
            for index, item in enumerate(items):
                path: KeyPath = (key, index, "name")
                if item.name and item.name in taken:
                    first = taken[item.name]
                    kind = "service" if first[0] == "services" else "dependency"
                    mark = self._mark(*path)
                    message = (
                        f"the name {item.name} is taken by the {kind} at {self._mark(*first).seen_from(mark)}"
                    )
                    self._report(mark, message, "give one of them another name")
                elif item.name:
                    taken[item.name] = path

    def start_order(self) -> None:
        """`depends_on` names other services, and none depends on itself in the end."""
        services = {service.name: service for service in self._project.services}
        dependencies = {dependency.name for dependency in self._project.dependencies}
        circles: set[frozenset[str]] = set()
        for index, service in enumerate(self._project.services):
            for number, name in enumerate(service.depends_on):
                mark = self._mark("services", index, "depends_on", number)
                if name in dependencies:
                    message = f"depends_on: {name} is one of the dependencies"
                    self._report(
                        mark, message, "leave it out: dependencies are healthy before services start"
                    )
                elif name not in services:
                    self._report(mark, f"depends_on: there is no service {name}", _services(services))
                elif (circle := _way_back(services, service.name, name)) and frozenset(circle) not in circles:
                    circles.add(frozenset(circle))
                    message = f"depends_on: {' -> '.join(circle)} is a circle"
                    self._report(mark, message, "leave one of them out")

    def routes(self) -> None:
        """No two routes match the same requests, and each has a host."""
        taken: dict[tuple[str, str], str] = {}
        domain = self._project.project.domain
        domain_missing = domain is None and self._is_missing("project", "domain")
        for index, service in enumerate(self._project.services):
            for number, route in enumerate(service.routes):
                path: KeyPath = ("services", index, "routes", number)
                host = route.host or domain
                if host is None:
                    if domain_missing and not self._is_given(*path, "host"):
                        domain_missing = False
                        message = f"`domain` of project is missing: the route {route.path} has no host"
                        self._report(self._mark("project"), message, "write `domain` below `project`")
                    continue
                prefix = route.path.rstrip("/") or "/"
                if (host, prefix) in taken:
                    message = f"the route {prefix} of {host} is taken by the service {taken[host, prefix]}"
                    hint = "a path of a host belongs to one service"
                    self._report(self._mark(*path, "path"), message, hint)
                else:
                    taken[host, prefix] = service.name or "above"

    def forwards(self) -> None:
        """No two containers, nor a container and the proxy, listen on one port of the server."""
        taken: list[tuple[Forward, str]] = []
        for index, service in enumerate(self._project.services):
            if service.forwards and service.replicas > 1:
                message = f"{service.replicas} replicas cannot share the server's ports in forwards"
                self._report(
                    self._mark("services", index, "replicas"), message, "remove replicas or forwards"
                )
            for number, text in enumerate(service.forwards):
                forward, mark = parse_forward(text), self._mark("services", index, "forwards", number)
                holder = next((name for earlier, name in taken if forward.collides(earlier)), None)
                if (forward.host_port, forward.protocol) in _PROXY_PORTS:
                    message = f"forwards: port {forward.host_port} of the server belongs to the proxy"
                    self._report(mark, message, "use routes, or another port of the server")
                elif holder is not None:
                    message = f"forwards: port {forward.host_port} of the server is taken by {holder}"
                    self._report(mark, message, "give one of them another port")
                taken.append((forward, f"the service {service.name}"))

    def server(self) -> None:
        """A server to deploy to is known."""
        host_missing = not self._is_given("server") or self._is_missing("server", "host")
        if not self._project.server.host and host_missing and self._is_missing("project", "domain"):
            mark = self._mark("server") if self._is_given("server") else self._mark("project")
            self._report(mark, "`host` of server is missing", "write `host` below `server`, or a domain")

    def proxy(self) -> None:
        """A certificate comes with its key, and a root certificate with its authority."""
        for name, partner, article in (
            ("certificate", "key", "a"),
            ("key", "certificate", "a"),
            ("acme_ca_root", "acme_ca", "an"),
        ):
            if getattr(self._project.proxy, name) is not None and self._is_missing("proxy", partner):
                message = f"proxy has {article} {name} but no {partner}"
                self._report(self._mark("proxy", name), message, f"write `{partner}` too")

    def redirects(self) -> None:
        """A redirect leads from a host without routes to a host with routes."""
        domain = self._project.project.domain
        served = {route.host or domain for service in self._project.services for route in service.routes}
        taken: set[str] = set()
        for index, redirect in enumerate(self._project.proxy.redirects):
            path: KeyPath = ("proxy", "redirects", index)
            if redirect.host in served:
                message = f"redirects: {redirect.host} is the host of a route"
                self._report(self._mark(*path, "host"), message, "a host is either served or redirected")
            if redirect.host in taken:
                self._report(
                    self._mark(*path, "host"), f"redirects: {redirect.host} is given twice", "keep one"
                )
            taken.add(redirect.host)
            if redirect.to and redirect.to not in served:
                hosts = ", ".join(sorted(filter(None, served))) or "none"
                message = f"redirects: no route serves {redirect.to}"
                self._report(self._mark(*path, "to"), message, f"the hosts of the routes: {hosts}")

    def registries(self) -> None:
        """Each registry is listed once, with one secret, and a password has its user."""
        taken: set[str] = set()
        for index, registry in enumerate(self._project.registries):
            path: KeyPath = ("registries", index)
            if registry.server in taken:
                message = f"{registry.server} is listed twice"
                self._report(self._mark(*path, "server"), message, "keep one of the two")
            taken.add(registry.server)
            secrets = [name for name in ("password", "token", "command") if self._is_given(*path, name)]
            if len(secrets) > 1:
                message = f"registries[{index}] has both {secrets[0]} and {secrets[1]}"
                self._report(self._mark(*path, secrets[1]), message, "keep the one that is the secret")
            if "password" in secrets and self._is_missing(*path, "username"):
                message = "registries has a password but no username"
                self._report(self._mark(*path, "password"), message, "write `username`")
            if registry.username is not None and not secrets:
                message = "registries has a username but no secret"
                hint = "write `password`, `token` or `command`"
                self._report(self._mark(*path, "username"), message, hint)

    def jobs(self) -> None:
        """No two jobs have one name, and each belongs to a service."""
        services = [service.name for service in self._project.services]
        taken: dict[str, KeyPath] = {}
        for index, job in enumerate(self._project.jobs):
            path: KeyPath = ("jobs", index, "name")
            mark = self._mark(*path)
            if job.name and job.name in taken:
                first = self._mark(*taken[job.name]).seen_from(mark)
                message = f"the name {job.name} is taken by the job at {first}"
                self._report(mark, message, "give one of them another name")
            taken.setdefault(job.name, path)
            if job.service and job.service not in services:
                match = closest_match(job.service, services)
                hint = f"did you mean {match}?" if match else f"the services are {', '.join(services)}"
                message = f"service: there is no service {job.service}"
                self._report(self._mark("jobs", index, "service"), message, hint)

    def backups(self) -> None:
        """Each is of a dependency, and no dependency has two."""
        dependencies = [dependency.name for dependency in self._project.dependencies]
        taken: set[str] = set()
        for index, backup in enumerate(self._project.backups):
            mark = self._mark("backups", index, "dependency")
            if backup.dependency and backup.dependency not in dependencies:
                match = closest_match(backup.dependency, dependencies)
                hint = f"did you mean {match}?" if match else "list it in `dependencies`"
                self._report(mark, f"dependency: there is no dependency {backup.dependency}", hint)
            elif backup.dependency in taken:
                self._report(mark, f"{backup.dependency} is backed up twice", "keep one of the two")
            taken.add(backup.dependency)

    def service(self, service: Service, path: KeyPath) -> None:
        """An image that is built has no digest, a service with requests has a port, and a hook a command."""
        if service.build is not None and service.image is not None and "@" in service.image:
            hint = "write a tag: the built image gets its own digest"
            self._report(self._mark(*path, "image"), "image has a digest, but build makes a new image", hint)
        if self._is_missing(*path, "port"):
            needs = "routes" if service.routes else "a health_check" if service.health_check else None
            if needs is not None:
                message = f"{_label(service)} has {needs} but no port"
                self._report(self._mark(*path), message, "write `port`, the port that the app listens on")
        if service.recreate and service.replicas > 1:
            message = f"{_label(service)} has {service.replicas} replicas, but `recreate: true`: it never runs twice"
            hint = "remove `recreate` if they may use their data at the same time; else remove `replicas`"
            self._report(self._mark(*path, "replicas"), message, hint)
        self._protocol(service, path)
        for name in ("pre", "post"):
            hook = (*path, "hooks", name)
            if self._is_missing(*hook, "local") and self._is_missing(*hook, "remote"):
                self._report(self._mark(*hook), f"{name} has neither local nor remote")

    def _protocol(self, service: Service, path: KeyPath) -> None:
        """Only the proxy has routes, and only HTTP/1.1 has a path that can be probed."""
        protocol, mark = service.protocol, self._mark(*path, "protocol")
        if protocol != "http" and self._is_missing(*path, "port"):
            self._report(mark, f"{_label(service)} has a protocol but no port", "write `port`")
        if protocol == "tcp" and service.routes:
            message = f"{_label(service)} has routes, but its protocol is tcp"
            hint = "take `routes` away; `forwards` publishes a port of the server for clients outside"
            self._report(self._mark(*path, "routes"), message, hint)
        if protocol != "http" and service.health_check is not None and service.health_check.path is not None:
            message = f"{_label(service)} has a health_check path, but its protocol is {protocol}"
            hint = "leave the path out: the port must accept connections; `container.health_check` runs a command"
            self._report(self._mark(*path, "health_check"), message, hint)

    def build(self, service: Service, path: KeyPath) -> None:
        """The files and secrets of a build exist."""
        if service.build is None:
            return
        context = os.path.join(self._reader.folder, service.build.context)  # noqa: PTH118
        file = os.path.join(context, service.build.dockerfile)  # noqa: PTH118
        if not os.path.isdir(context):  # noqa: PTH112 -- pathlib's raises for a name that is too long
            message = f"context: there is no folder {service.build.context}"
            hint = "it is the folder with the Dockerfile, relative to ftl.yaml"
            self._report(self._mark(*path, "context"), message, hint)
        elif not os.path.isfile(file):  # noqa: PTH113
            key = "dockerfile" if self._is_given(*path, "dockerfile") else "context"
            message = f"dockerfile: there is no file {os.path.relpath(file, self._reader.folder)}"
            hint = (
                "its path is relative to the context"
                if key == "dockerfile"
                else "write one, or run an existing image with `image: NAME` in place of `build`"
            )
            self._report(self._mark(*path, key), message, hint)
        for index, secret in enumerate(service.build.secrets):
            self._build_secret(secret, (*path, "secrets", index))
        for name, value in service.build.args.items():
            if len(f"{name}={value}".encode(errors="surrogateescape")) >= _MAX_ARGUMENT:
                message = (
                    f"args: {name} is longer than {_MAX_ARGUMENT:,} bytes, which no program can be given"
                )
                hint = "pass it as a build secret, or copy a file"
                self._report(self._mark(*path, "args", name), message, hint)

    def _build_secret(self, secret: BuildSecret, path: KeyPath) -> None:
        if secret.env is not None and secret.file is not None:
            message = f"secrets: {secret.id} has both env and file"
            self._report(self._mark(*path), message, "keep one of the two")
        variable = secret.env or secret.id
        variables = self._reader.interpolator.variables
        if secret.file is None and variable and variable not in variables:
            message = f"the variable {variable} is not set: the build secret {secret.id} needs it"
            problems = self._reader.interpolator.problems
            problems.add_unset(variable, self._mark(*path, "env"), message, variables.advice(variable))

    def mounts(self, item: Service | Dependency, path: KeyPath) -> None:
        """No two volumes are mounted at one path, and none where the image's version keeps no data."""
        taken: set[str] = set()
        for index, text in enumerate(item.volumes):
            target = parse_volume(text).target.rstrip("/")
            if target in taken:
                message = f"volumes: {target} is given twice"
                self._report(self._mark(*path, "volumes", index), message, "mount one volume there")
            taken.add(target)
        if item.image is None or getattr(item, "build", None) is not None:
            return
        unused = unused_mount(item.image, item.env, taken)
        if unused is not None:
            wrong, right = unused
            targets = [parse_volume(text).target.rstrip("/") for text in item.volumes]
            message = f"volumes: {item.image} keeps no data at {wrong}"
            hint = f"mount the volume at {right}"
            self._report(self._mark(*path, "volumes", targets.index(wrong)), message, hint)

    def container(self, item: Service | Dependency, path: KeyPath) -> None:
        """Files are seen, labels leave FTL's own alone, and a soft limit is not above its hard limit."""
        if item.files and item.read_only:
            hint = "remove read_only, or pass the values as variables"
            message = "files cannot be written into a container that is read_only"
            self._report(self._mark(*path, "files"), message, hint)
        self._files_below_mounts(item, path)
        for name in item.labels:
            if name.startswith("ftl."):
                hint = "other names are free, such as com.example.team"
                self._report(self._mark(*path, "labels", name), f"labels: {name} is one of FTL's own", hint)
        for index, limit in enumerate(item.container.ulimits):
            limit_path = (*path, "container", "ulimits", index)
            is_above = limit.hard != -1 and (limit.soft > limit.hard or limit.soft == -1)
            if is_above and self._is_given(*limit_path, "hard"):
                message = f"soft: {limit.soft} is more than hard: {limit.hard}"
                self._report(self._mark(*limit_path, "soft"), message)

    def _files_below_mounts(self, item: Service | Dependency, path: KeyPath) -> None:
        """No file is written below a tmpfs or a volume.

        A tmpfs is mounted at the start, over the file. A volume is mounted already while the file is written
        (measured: Docker 20.10): the release that still runs would see it, and it would outlive its release.
        """
        mounts = {_as_folder(parse_tmpfs(text)[0]): ("tmpfs", index) for index, text in enumerate(item.tmpfs)}
        mounts |= {
            _as_folder(parse_volume(text).target): ("volumes", index)
            for index, text in enumerate(item.volumes)
        }
        for index, file in enumerate(item.files):
            mark = self._mark(*path, "files", index, "path")
            above = [
                target for target in mounts if _as_folder(posixpath.normpath(file.path)).startswith(target)
            ]
            if not above:
                continue
            target = max(above, key=len)
            place = self._mark(*path, *mounts[target]).seen_from(mark)
            if mounts[target][0] == "tmpfs":
                message = f"the file {file.path} would be hidden by the tmpfs at {place}"
            else:
                message = f"the file {file.path} would be written into the volume at {place}, and outlive its release"
            self._report(mark, message, f"write it to a path outside of {target.rstrip('/') or '/'}")


def _as_folder(path: str) -> str:
    return path.rstrip("/") + "/"


def _label(service: Service) -> str:
    return f"the service {service.name}" if service.name else "the service"


def _services(names: Iterable[str]) -> str:
    return f"the services: {', '.join(sorted(filter(None, names)))}"


def _way_back(services: Mapping[str, Service], start: str, first: str) -> list[str]:
    """Path from a service over one that it depends on back to itself; empty where there is none."""
    ways = [[start, first]]
    seen = {first}
    while ways:
        way = ways.pop(0)
        if way[-1] == start:
            return way
        service = services.get(way[-1])
        for name in service.depends_on if service is not None else ():
            if name == start or name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []
