"""One service of a Compose file: a function for each key that means something else here."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.config.models.field_types import keys_of
from ftl.config.models.project import Dependency, Service
from ftl.config.read.foreign_keys import advice
from ftl.config.values import scalars
from ftl.config.yaml.tree import MappingNode, Node, SequenceNode, describe_kind, is_null
from ftl.databases import IMAGE_PORTS
from ftl.image.building.dockerfile import exposed_port
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover import compose_parts as parts
from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.nodes import Texts, entries, items, pairs, text
from ftl.onboarding.takeover.report import Verdict, by_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ftl.config.yaml.marks import Mark
    from ftl.onboarding.takeover.draft import Draft

_HTTP = (80, 443, 8080, 3000, 8000, 5000, 8888, 4000, 5173)
"""Published ports by which the public service is found, most likely first."""

_PUBLIC = ("web", "app", "frontend", "nginx", "proxy", "site", "server", "www", "client", "ui")


@dataclass(slots=True)
class Context:
    """State that the services of one file share.

    Attributes:
        names: Name in Compose -> name in ftl.yaml.
        secrets: The secrets at the top of the file.
        kinds: Name in Compose -> "service", "dependency", "none", "one-off".
        marks: Place of `ports` of each candidate.
        candidates: Services that publish a port for HTTP, with it; one of them gets the domain.
    """

    draft: Draft
    texts: Texts
    base: Path
    names: Mapping[str, str]
    kinds: Mapping[str, str]
    secrets: Mapping[str, Node]
    candidates: dict[str, parts.Port] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)

    def finish(self) -> None:
        """Give the route `/` to the service that is most likely the public one, if no label says it."""
        services = self.draft.services
        if any("routes" in keys for keys in services.values()) or not self.candidates:
            for key in self.candidates:
                self._keep_published(key)
            return
        public = min(self.candidates, key=self._rank)
        name, port = self.names[public], self.candidates[public]
        services[name]["routes"] = [{"path": "/"}]
        self._report(public, Verdict.CHANGED, f"port: {port.target} and the route /")
        for key in self.candidates:
            if key != public:
                self._keep_published(key)

    def _report(self, key: str, verdict: Verdict, what: str) -> None:
        self.draft.report.add(f"services.{key}.ports", verdict, what, self.marks[key])

    def _rank(self, key: str) -> tuple[int, int]:
        published = self.candidates[key].published or 0
        return (
            _HTTP.index(published) if published in _HTTP[:2] else len(_HTTP),
            _PUBLIC.index(key) if key in _PUBLIC else len(_PUBLIC),
        )

    def _keep_published(self, key: str) -> None:
        name, port = self.names[key], self.candidates[key]
        keys = self.draft.services[name]
        route = "`routes: [{host: ..., path: /}]`"
        todo = f"it was public at port {port.published}: give it a route with another host, {route}"
        if port.published in (80, 443) or keys.get("replicas"):
            self._report(key, Verdict.NEEDS_YOU, todo)
        elif "routes" not in keys:
            forwards = keys.setdefault("forwards", [])
            assert isinstance(forwards, list)
            forwards.append(port.forward)
            self._report(key, Verdict.CHANGED, "forwards, without TLS; a route with a host is better")
        if "routes" not in keys:
            self.draft.note(name, todo)


def convert(context: Context, key: str, node: MappingNode) -> None:
    """Convert a service into a service or a dependency of the draft."""
    _Conversion(context, key, node).run()


class _Conversion:
    def __init__(self, context: Context, key: str, node: MappingNode) -> None:
        self._context = context
        self._draft = context.draft
        self._key = key
        self._node = node
        self._name = context.names[key]
        self._is_dependency = context.kinds[key] == "dependency"
        self._section = Dependency if self._is_dependency else Service
        self._keys: dict[str, object] = {}
        self._resolve = context.texts.resolve
        self._labels = pairs(node.get("labels")) | pairs(entries(node.get("deploy")).get("labels"))
        self._published = parts.published(self._labels, pairs(node.get("environment")), self._resolve)

    def run(self) -> None:
        target = self._draft.dependencies if self._is_dependency else self._draft.services
        target[self._name] = self._keys
        if self._name != self._key:
            self._add("", Verdict.CHANGED, f"its name is {self._name}; others must use that as host name")
        late = ("healthcheck", "deploy", "platform")
        self._convert([key for key in self._node.entries if key not in late])
        self._find_port()
        self._convert([key for key in late if key in self._node.entries])
        self._restart()
        has_data = not self._is_dependency and "image" in self._keys and _named(self._keys.get("volumes"))
        if has_data and self._keys.get("replicas", 1) == 1:
            self._keys["recreate"] = True
            self._add(
                "volumes",
                Verdict.TAKEN,
                "with recreate: true, since two containers must not write to one volume",
            )

    def _convert(self, keys: list[str]) -> None:
        for key in keys:
            value = self._node.entries[key].value
            if key == "restart" or is_null(value):
                continue
            handler = _HANDLERS.get(key)
            if describe_kind(value) not in _FORMS.get(key, (describe_kind(value),)):
                self._add(
                    key, Verdict.NEEDS_YOU, f"it is {describe_kind(value)}, which Compose does not have there"
                )
            elif handler is not None:
                handler(self, key, value)
            else:
                self._other(key, value)

    def _add(self, key: str, verdict: Verdict, what: str = "", node: Node | None = None) -> None:
        path = f"services.{self._key}.{key}".rstrip(".")
        entry = self._node.entries.get(key.partition(".")[0].partition("[")[0])
        mark: Mark | None = node.mark if node is not None else entry.key if entry is not None else None
        self._draft.report.add(path, verdict, what, mark)
        if verdict is Verdict.NEEDS_YOU:
            self._draft.note(self._name, f"{key}: {what}")

    def _text(self, node: Node | None) -> str:
        return self._context.texts.convert(text(node))

    def _plain(self, node: Node) -> object:
        if isinstance(node, MappingNode):
            return {key: self._plain(value) for key, value in entries(node).items()}
        if isinstance(node, SequenceNode):
            return [self._plain(item) for item in node.items]
        return self._text(node)

    def _other(self, key: str, node: Node) -> None:
        """A key without a function of its own: the same here, or one with a hint of its own."""
        known = keys_of(self._section)
        if key.startswith("x-"):
            return
        if key in known and key in _SAME:
            plain = self._plain(node)
            if isinstance(plain, str) and key in ("tmpfs", "extra_hosts", "devices", "cap_add", "cap_drop"):
                plain = [plain]
            if key == "extra_hosts" and isinstance(plain, dict):
                plain = [f"{host}:{address}" for host, address in plain.items()]
            if key == "extra_hosts" and isinstance(plain, list):
                plain = [str(item).replace("=", ":", 1) for item in plain]
            if plain not in ("", [], {}):
                self._keys[key] = plain
            self._add(key, Verdict.TAKEN)
            return
        section = "dependencies" if self._is_dependency else "services"
        hint, match = advice(key, tuple(known), section)
        if match is not None or hint.startswith("the keys here are"):
            hint = "neither Compose's specification nor FTL has such a key" if match is None else hint
        self._add(key, by_hint(hint), hint.removeprefix("leave it out: "))

    def image(self, key: str, node: Node) -> None:
        if self._node.get("build") is None:
            self._keys["image"] = self._text(node)
            self._add(key, Verdict.TAKEN)
        else:
            self._add(
                key,
                Verdict.LEFT_OUT,
                "the built image goes to the server over SSH; with `image`, FTL pushes it to that registry",
            )

    def build(self, key: str, node: Node) -> None:
        if isinstance(node, MappingNode):
            self._keys["build"] = self._build(node)
        else:
            self._keys["build"] = _folder(self._resolve(text(node)))
            self._add(key, Verdict.TAKEN)
        context = self._keys["build"]
        folder = str(context.get("context", ".") if isinstance(context, dict) else context)
        if "://" in folder or folder.startswith("git@"):
            self._add(key, Verdict.NEEDS_YOU, f"clone {folder} and write its folder as `context`")
            self._keys["build"] = "."
        elif not (self._context.base / folder).is_dir():
            self._add(key, Verdict.NEEDS_YOU, f"there is no folder {folder}")

    def _build(self, node: MappingNode) -> dict[str, object]:
        build: dict[str, object] = {"context": _folder(self._resolve(text(node.get("context")) or "."))}
        for key, value in entries(node).items():
            if is_null(value):
                continue
            name = f"build.{key}"
            match key:
                case "context":
                    self._add(name, Verdict.TAKEN, node=value)
                case "dockerfile" | "target":
                    build[key] = self._text(value)
                    self._add(name, Verdict.TAKEN, node=value)
                case "dockerfile_inline":
                    file = f"Dockerfile.{self._name}"
                    inside = "" if build["context"] == "." else f"{build['context']}/"
                    self._draft.files[f"{inside}{file}"] = text(value)
                    build["dockerfile"] = file
                    self._add(name, Verdict.CHANGED, f"the file {inside}{file}", value)
                case "args":
                    build[key] = self._environment(value)
                    self._add(name, Verdict.TAKEN, node=value)
                case "secrets":
                    self._build_secrets(build, value)
                case "platforms":
                    platforms = [self._text(item) for item in items(value)]
                    if len(platforms) == 1:
                        build["platform"] = platforms[0]
                        self._add(name, Verdict.CHANGED, "build.platform", value)
                    else:
                        self._add(name, Verdict.LEFT_OUT, "images are built for the server's platform", value)
                case _:
                    hint, _ = advice(key, (), "build")
                    known = _BUILD_LEFT_OUT.get(key)
                    verdict = Verdict.LEFT_OUT if known else Verdict.NEEDS_YOU
                    usable = hint if not hint.startswith("the keys here") else "FTL has none"
                    self._add(name, verdict, known or usable, value)
        if build.get("dockerfile") == "Dockerfile":
            del build["dockerfile"]
        return build

    def _build_secrets(self, build: dict[str, object], node: Node) -> None:
        """Build secrets by the file or variable that the top of the file names for them."""
        found: list[object] = []
        for item in items(node):
            name = text(item) or text(entries(item).get("source"))
            source = entries(self._context.secrets.get(name))
            file, variable = self._resolve(text(source.get("file"))), text(source.get("environment"))
            identity = text(entries(item).get("target")) or name
            if file and (self._context.base / file).is_file():
                found.append({"id": identity, "file": file})
            elif variable and variable in self._context.texts.variables:
                found.append({"id": identity, "env": variable})
            else:
                what = (
                    f"set the variable {variable}"
                    if variable
                    else f"there is no file {file}"
                    if file
                    else "name its file"
                )
                self._add(
                    "build.secrets",
                    Verdict.NEEDS_YOU,
                    f"{what}, and write `secrets: [{identity}]` below `build`",
                    item,
                )
        if found:
            build["secrets"] = found
            self._add("build.secrets", Verdict.TAKEN, node=node)

    def command(self, key: str, node: Node) -> None:
        if self._is_dependency and key not in keys_of(Dependency):
            self._add(key, Verdict.NEEDS_YOU, "dependencies have none: build an image with it")
            return
        if isinstance(node, SequenceNode):
            if node.items:
                self._keys[key] = tuple(self._text(item) for item in node.items)
        elif text(node).strip():
            written = self._text(node).strip()
            self._keys[key] = " ".join(written.split("\n")) if _is_one_command(written) else written
        self._add(key, Verdict.TAKEN)

    def environment(self, key: str, node: Node) -> None:
        env = self._environment(node)
        for name in ("VIRTUAL_HOST", "VIRTUAL_PORT", "LETSENCRYPT_HOST", "LETSENCRYPT_EMAIL"):
            env.pop(name, None)
        have = self._keys.get("env")
        self._keys["env"] = {**(have if isinstance(have, dict) else {}), **env}
        if not self._keys["env"]:
            del self._keys["env"]
        self._add(key, Verdict.CHANGED, "env")

    def _environment(self, node: Node) -> dict[str, str]:
        convert = self._context.texts.convert
        return {
            name: convert(f"${{{name}}}" if value is None and name.isidentifier() else value or "")
            for name, value in pairs(node).items()
        }

    def env_file(self, key: str, node: Node) -> None:
        kept: list[str] = []
        for item in items(node):
            path = self._resolve(text(item) or text(entries(item).get("path")))
            path = path.removeprefix("./")
            if not (self._context.base / path).is_file():
                required = text(entries(item).get("required")) != "false"
                self._add(
                    key,
                    Verdict.NEEDS_YOU if required else Verdict.LEFT_OUT,
                    f"there is no file {path}: write it, and `env_file: {path}`",
                )
            elif self._is_dependency:
                self._inline(key, path)
            else:
                kept.append(path)
        if kept:
            self._keys["env_file"] = kept[0] if len(kept) == 1 else kept
            self._add(key, Verdict.TAKEN)

    def _inline(self, key: str, path: str) -> None:
        """An env file of a dependency: its variables by name, since dependencies have no such key."""
        written = AppFolder(self._context.base).read(path)
        names = re.findall(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", written, re.MULTILINE)
        env = {name: self._context.texts.convert(f"${{{name}}}") for name in names}
        have = self._keys.get("env")
        self._keys["env"] = {**env, **(have if isinstance(have, dict) else {})}
        if path == ".env":
            self._add(key, Verdict.CHANGED, "env, with the variables of .env")
        else:
            self._add(key, Verdict.NEEDS_YOU, f"copy the variables of {path} to .env: `cat {path} >> .env`")

    def volumes(self, key: str, node: Node) -> None:
        kept: list[str] = []
        for index, item in enumerate(items(node)):
            mount = parts.mount(item, self._resolve)
            name = f"{key}[{index}]"
            if not mount.target:
                self._add(name, Verdict.NEEDS_YOU, "it has no target", item)
                continue
            if mount.kind == "volume" and re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", mount.source):
                kept.append(mount.item)
                self._add(name, Verdict.TAKEN, f"without {mount.dropped}" if mount.dropped else "", item)
            elif mount.kind == "anonymous":
                self._add(
                    name,
                    Verdict.LEFT_OUT,
                    f"{mount.target} has no name, and so is gone with the container",
                    item,
                )
            elif mount.kind == "tmpfs":
                self._tmpfs(mount, name, item)
            elif mount.kind == "bind" and mount.source.startswith("/"):
                kept.append(mount.item)
                self._bind(mount, name, item)
            elif mount.kind == "bind" and mount.source.startswith("~"):
                self._add(
                    name,
                    Verdict.NEEDS_YOU,
                    f"write {mount.source} as a path of the server: `/home/USER/...:{mount.target}`",
                    item,
                )
            elif mount.kind == "bind":
                self._local(mount, name, item)
            else:
                self._add(name, Verdict.NEEDS_YOU, f"FTL has no mounts of the kind {mount.kind}", item)
        targets: dict[str, str] = {}
        for written in kept:
            targets[written.split(":")[1].rstrip("/")] = written
        if targets:
            self._keys["volumes"] = list(targets.values())

    def _tmpfs(self, mount: parts.Mount, name: str, item: Node) -> None:
        if "tmpfs" not in keys_of(self._section):
            self._add(name, Verdict.NEEDS_YOU, f"FTL has no tmpfs: {mount.target} is in the container", item)
            return
        have = self._keys.get("tmpfs")
        self._keys["tmpfs"] = [*(have if isinstance(have, list) else []), mount.target]
        self._add(name, Verdict.CHANGED, "tmpfs", item)

    def _bind(self, mount: parts.Mount, name: str, item: Node) -> None:
        if mount.source.endswith("docker.sock"):
            self._add(name, Verdict.TAKEN, "the container rules the server's engine", item)
        else:
            self._add(name, Verdict.TAKEN, "a path of the server: its files must be there", item)

    def _local(self, mount: parts.Mount, name: str, item: Node) -> None:
        build = self._keys.get("build") or self._node.get("build")
        has_code = build is not None and (self._context.base / mount.source).is_dir()
        if has_code:
            self._add(
                name, Verdict.LEFT_OUT, f"for development: the image has the files of {mount.source}", item
            )
        elif (self._context.base / mount.source).is_file() or mount.read_only:
            copied = f"build {mount.source} into an image (`COPY {mount.source} {mount.target}`)"
            self._add(
                name, Verdict.NEEDS_YOU, f"{copied}, or copy it to the server and mount it from there", item
            )
        else:
            self._add(
                name,
                Verdict.NEEDS_YOU,
                f"{mount.source} is a folder of this machine: use a volume (`NAME:{mount.target}`), and copy the data",
                item,
            )

    def ports(self, key: str, node: Node) -> None:
        found, unread = parts.ports(node, self._resolve)
        for written in unread:
            self._add(key, Verdict.NEEDS_YOU, f"`{written}` is no port here: a variable in it is not set")
        if self._is_dependency:
            self._keys["ports"] = sorted({port.target for port in found if port.protocol == "tcp"})
            if any(port.published and not port.is_loopback for port in found):
                self._add(
                    key, Verdict.CHANGED, "ports, on 127.0.0.1 of the server only: `ftl tunnels` leads there"
                )
            else:
                self._add(key, Verdict.TAKEN)
            return
        http = [port for port in found if port.protocol == "tcp" and port.target not in parts.NOT_HTTP]
        main = next((port for port in http if port.target == self._published.port), None)
        main = main or min(
            http,
            key=lambda port: _HTTP.index(port.target) if port.target in _HTTP else len(_HTTP),
            default=None,
        )
        if main is not None:
            self._keys["port"] = main.target
        forwards: list[str] = []
        for port in found:
            if port.published is None or port is main or port.protocol == "sctp":
                continue
            if port.published in (80, 443) and main is not None:
                self._add(key, Verdict.CHANGED, f"port: {main.target}; the proxy listens on 80 and 443")
            elif port.published in (80, 443):
                self._add(key, Verdict.NEEDS_YOU, f"port {port.published} of the server belongs to the proxy")
            elif port.forward not in forwards:
                forwards.append(port.forward)
        if forwards:
            self._keys["forwards"] = forwards
        if main is not None and main.published is not None and main.is_loopback:
            self._add(
                key,
                Verdict.LEFT_OUT,
                f"port {main.published} on 127.0.0.1: the proxy and the other services reach the port {main.target}",
            )
        elif main is not None and main.published is not None and not self._published.routes:
            self._context.candidates[self._key] = main
            self._context.marks[self._key] = self._node.entries[key].key
        else:
            self._add(
                key,
                Verdict.CHANGED,
                "forwards" if forwards and main is None else f"port: {main.target}" if main else "forwards",
            )

    def expose(self, key: str, node: Node) -> None:
        if self._is_dependency:
            self._add(key, Verdict.LEFT_OUT, "all ports of a dependency are open to the project")
            return
        found, _ = parts.ports(node, self._resolve)
        if found and "port" not in self._keys and self._node.get("ports") is None:
            self._keys["port"] = found[0].target
        self._add(key, Verdict.CHANGED, "port")

    def depends_on(self, key: str, node: Node) -> None:
        wanted = list(entries(node)) or [text(item) for item in items(node)]
        services = [
            self._context.names[name] for name in wanted if self._context.kinds.get(name) == "service"
        ]
        if self._is_dependency or not services:
            self._add(key, Verdict.LEFT_OUT, "dependencies are healthy before services start")
        elif "depends_on" in keys_of(Service):
            self._keys["depends_on"] = services
            self._add(
                key,
                Verdict.TAKEN,
                "" if len(services) == len(wanted) else "for services; dependencies always come first",
            )
        else:
            self._add(key, Verdict.LEFT_OUT, "all services start side by side")

    def healthcheck(self, key: str, node: Node) -> None:
        check = parts.check(node)
        if check.disabled:
            self._add(key, Verdict.LEFT_OUT, "it is disabled: the port must accept a connection")
            return
        if check.command is None:
            self._add(key, Verdict.LEFT_OUT, "it has no test")
            return
        port = self._keys.get("port") or (self._published.port if self._published.routes else None)
        usable = check.path is not None and _is_path(check.path)
        if usable and port is not None and check.port in (None, port) and not self._is_dependency:
            self._keys["health_check"] = {"path": check.path}
            self._add(
                key,
                Verdict.CHANGED,
                "health_check.path: a request over the network, with FTL's own intervals",
            )
            return
        convert = self._context.texts.convert
        command = (
            convert(check.command) if isinstance(check.command, str) else tuple(map(convert, check.command))
        )
        section: dict[str, object] = {"cmd": command}
        for name in ("interval", "timeout", "retries", "start_period"):
            written = self._resolve(text(entries(node).get(name)))
            if written and written not in ("0", "0s"):
                section[name] = written
        self._container("health_check", section)
        self._add(key, Verdict.CHANGED, "container.health_check")

    def _container(self, key: str, value: object) -> None:
        have = self._keys.get("container")
        self._keys["container"] = {**(have if isinstance(have, dict) else {}), key: value}

    def ulimits(self, key: str, node: Node) -> None:
        self._container("ulimits", self._plain(node))
        self._add(key, Verdict.CHANGED, "container.ulimits")

    def stop_grace_period(self, key: str, node: Node) -> None:
        if "stop_timeout" in keys_of(self._section):
            self._keys["stop_timeout"] = self._text(node)
            self._add(key, Verdict.CHANGED, "stop_timeout")
        else:
            self._add(key, Verdict.LEFT_OUT, "a dependency has 30 seconds to stop")

    def platform(self, key: str, node: Node) -> None:
        build = self._keys.get("build")
        if build is None:
            self._add(key, Verdict.LEFT_OUT, "the image for the server's platform is pulled")
            return
        self._keys["build"] = {
            **(build if isinstance(build, dict) else {"context": build}),
            "platform": self._text(node),
        }
        self._add(key, Verdict.CHANGED, "build.platform")

    def labels(self, key: str, node: Node) -> None:
        routing = [name for name in pairs(node) if name.startswith(("traefik.", "caddy"))]
        others = {name: value for name, value in pairs(node).items() if name not in routing}
        if (
            others
            and "labels" in keys_of(self._section)
            and not any(name.startswith("ofelia.") for name in others)
        ):
            self._keys["labels"] = {
                name: self._context.texts.convert(value or "") for name, value in others.items()
            }
            self._add(key, Verdict.TAKEN)
        elif any(name.startswith("ofelia.") for name in others):
            self._add(
                key,
                Verdict.NEEDS_YOU,
                "scheduled jobs of ofelia: write them as `jobs` of the project",
            )
        elif others:
            self._add(key, Verdict.LEFT_OUT, f"no part of FTL reads {min(others)}")
        if routing and self._published.routes:
            self._add(key, Verdict.CHANGED, "routes")
        elif routing:
            self._add(key, Verdict.LEFT_OUT, "FTL has its own proxy")

    def deploy(self, key: str, node: Node) -> None:
        for name, value in entries(node).items():
            match name:
                case "replicas":
                    self.scale(f"{key}.replicas", value)
                case "resources":
                    self._resources(value)
                case "labels":
                    self.labels(key, value)
                case _:
                    self._add(
                        f"{key}.{name}",
                        Verdict.LEFT_OUT,
                        _DEPLOY_LEFT_OUT.get(name, "FTL's deploys have one way to go"),
                        value,
                    )

    def scale(self, key: str, node: Node) -> None:
        written = self._resolve(text(node))
        if self._is_dependency or written == "1":
            self._add(key, Verdict.LEFT_OUT, "there is one container of it")
        elif self._keys.get("forwards"):
            self._add(
                key,
                Verdict.NEEDS_YOU,
                "replicas cannot share the server's ports in forwards: choose one of the two",
            )
        elif written.isdecimal():
            self._keys["replicas"] = int(written)
            self._add(key, Verdict.CHANGED, "replicas")

    def _resources(self, node: Node) -> None:
        limits = entries(entries(node).get("limits"))
        for group in entries(node):
            if group != "limits":
                self._add(f"deploy.resources.{group}", Verdict.LEFT_OUT, "FTL has limits only", node)
        names = {"memory": "memory", "cpus": "cpus", "pids": "pids"}
        self._limits(
            {names[name]: self._text(value) for name, value in limits.items() if name in names},
            "deploy.resources.limits",
        )

    def _limits(self, values: dict[str, str], key: str) -> None:
        if not values:
            return
        if "resources" not in keys_of(self._section):
            self._add(key, Verdict.NEEDS_YOU, "this version of FTL sets no limits")
            return
        have = self._keys.get("resources")
        self._keys["resources"] = {**(have if isinstance(have, dict) else {}), **values}
        self._add(key, Verdict.CHANGED, "resources")

    def limit(self, key: str, node: Node) -> None:
        self._limits({_LIMITS[key]: self._text(node)}, key)

    def profiles(self, key: str, _node: Node) -> None:
        self._add(
            key, Verdict.LEFT_OUT, "the profile is active; for a variant of the project, write ftl.NAME.yaml"
        )

    def secrets(self, key: str, _node: Node) -> None:
        self._add(
            key,
            Verdict.NEEDS_YOU,
            "write each in the project's `secrets`, and name it here in `secrets`: `{name: A, file: /run/secrets/a}`",
        )

    def _restart(self) -> None:
        node = self._node.get("restart")
        if node is None:
            return
        written = self._resolve(text(node))
        if written in ("always", "unless-stopped", ""):
            self._add("restart", Verdict.LEFT_OUT, "containers are always started again")
        elif "restart" in keys_of(self._section):
            self._keys["restart"] = written
            self._add("restart", Verdict.TAKEN)
        else:
            self._add(
                "restart",
                Verdict.NEEDS_YOU,
                "containers are always started again: for a task that ends, write a hook",
            )

    def _find_port(self) -> None:
        if self._is_dependency:
            image = self._resolve(text(self._node.get("image")))
            known = IMAGE_PORTS.get(images.kind(image))
            if known and not self._keys.get("ports"):
                self._keys["ports"] = [known]
            if not self._keys.get("ports"):
                self._keys.pop("ports", None)
            return
        routes = self._published.routes
        if self._published.port:
            self._keys["port"] = self._published.port
        if "port" not in self._keys:
            port = self._exposed() or (80 if routes else None) or self._database_port()
            if port is not None:
                self._keys["port"] = port
        if routes and "port" in self._keys:
            valid = [(host, path) for host, path in routes if is_host(host)]
            self._draft.domain = self._draft.domain or next((host for host, _ in valid), None)
            self._keys["routes"] = [
                {"path": path} | ({} if host == self._draft.domain else {"host": host})
                for host, path in valid
            ] or [{"path": "/"}]
        if self._published.email and not self._draft.email and "@" in self._published.email:
            self._draft.email = self._published.email

    def _database_port(self) -> int | None:
        """The port of a database that goes on as a service, where services speak other protocols than HTTP."""
        port = IMAGE_PORTS.get(images.kind(self._resolve(text(self._node.get("image")))))
        if port in parts.NOT_HTTP and "protocol" in keys_of(Service):
            self._keys["protocol"] = "tcp"
            return port
        return None if port in parts.NOT_HTTP else port

    def _exposed(self) -> int | None:
        build = self._keys.get("build")
        if build is None:
            return None
        options = build if isinstance(build, dict) else {"context": build}
        folder = self._context.base / str(options.get("context", "."))
        return exposed_port(AppFolder(folder).read(str(options.get("dockerfile", "Dockerfile"))))


def _folder(path: str) -> str:
    return path.rstrip("/") or "."


def _named(volumes: object) -> bool:
    return isinstance(volumes, list) and any(not str(volume).startswith("/") for volume in volumes)


def _is_one_command(written: str) -> bool:
    try:
        shlex.split(written)
    except ValueError:
        return False
    return "'" not in written and '"' not in written


def _is_path(path: str) -> bool:
    try:
        scalars.probe_path(path)
    except scalars.InvalidValue:
        return False
    return True


def is_host(host: str) -> bool:
    """Whether a text is a host name of a route."""
    try:
        scalars.route_host(host)
    except scalars.InvalidValue:
        return False
    return True


_ONE, _LIST, _MAP = "a single value", "a list", "a mapping"
_FORMS = {
    **dict.fromkeys(
        ("image", "stop_grace_period", "platform", "scale", "mem_limit", "cpus", "pids_limit"), (_ONE,)
    ),
    **dict.fromkeys(("ports", "expose", "volumes", "profiles", "secrets"), (_LIST,)),
    **dict.fromkeys(("environment", "labels", "depends_on"), (_LIST, _MAP)),
    **dict.fromkeys(("command", "entrypoint", "env_file"), (_ONE, _LIST)),
    **dict.fromkeys(("healthcheck", "deploy", "ulimits"), (_MAP,)),
    "build": (_ONE, _MAP),
}
"""Forms of a value by Compose's specification, where others would be misread."""

_LIMITS = {"mem_limit": "memory", "cpus": "cpus", "pids_limit": "pids"}

_SAME_KEYS = """
    user working_dir read_only tmpfs shm_size init stop_signal extra_hosts cap_add cap_drop sysctls devices logging
"""
_SAME = frozenset(_SAME_KEYS.split())
"""Keys that mean here what they mean in Compose, where the model has them."""

_BUILD_LEFT_OUT = {
    "cache_from": "the builder's cache is used",
    "cache_to": "the builder's cache is used",
    "pull": "base images are pulled when the builder lacks them",
    "no_cache": "the builder's cache is used",
    "tags": "FTL names the image",
    "labels": "write LABEL in the Dockerfile",
    "network": "builds use the builder's network",
    "shm_size": "the builder's default is used",
    "provenance": "FTL sends the image only",
    "sbom": "FTL sends the image only",
    "isolation": "it is for Windows containers",
}

_DEPLOY_LEFT_OUT = {
    "mode": "write `replicas`",
    "update_config": "new containers are healthy before old ones stop",
    "rollback_config": "`ftl rollback` goes back",
    "restart_policy": "containers are always started again",
    "placement": "there is one server",
    "endpoint_mode": "the proxy shares the requests",
}

_HANDLERS: dict[str, Callable[[_Conversion, str, Node], None]] = {
    "image": _Conversion.image,
    "build": _Conversion.build,
    "command": _Conversion.command,
    "entrypoint": _Conversion.command,
    "environment": _Conversion.environment,
    "env_file": _Conversion.env_file,
    "volumes": _Conversion.volumes,
    "ports": _Conversion.ports,
    "expose": _Conversion.expose,
    "depends_on": _Conversion.depends_on,
    "healthcheck": _Conversion.healthcheck,
    "ulimits": _Conversion.ulimits,
    "stop_grace_period": _Conversion.stop_grace_period,
    "platform": _Conversion.platform,
    "labels": _Conversion.labels,
    "deploy": _Conversion.deploy,
    "scale": _Conversion.scale,
    "profiles": _Conversion.profiles,
    "secrets": _Conversion.secrets,
    "mem_limit": _Conversion.limit,
    "cpus": _Conversion.limit,
    "pids_limit": _Conversion.limit,
}
"""Key -> function. Every other key is the same here, or gets the hint of `foreign_keys`."""
