"""Kamal's config/deploy.yml as a draft of ftl.yaml. ERB is not evaluated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.yaml.marks import Mark, SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, Node, SequenceNode
from ftl.databases import IMAGE_PORTS
from ftl.errors import ConfigError, UsageError
from ftl.files import read_small_text
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.compose.ports import is_host
from ftl.onboarding.takeover.draft import Draft
from ftl.onboarding.takeover.names import project_name
from ftl.onboarding.takeover.nodes import Texts, entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ERB = re.compile(r"<%=?-?\s*(.*?)\s*-?%>", re.DOTALL)
_ERB_VARIABLE = re.compile(
    r"ENV(?:\.fetch\(|\[)\s*[\"']([A-Za-z_][A-Za-z0-9_]*)[\"']\s*(?:,\s*[\"']([^\"']*)[\"']\s*)?[)\]]"
)

_LEFT_OUT = {
    "asset_path": "old and new containers answer until the old ones have finished; keep old assets in the build",
    "boot": "new containers are healthy before old ones stop",
    "hooks_path": "write commands as `hooks` of a service",
    "minimum_version": "it is Kamal's",
    "primary_role": "routes say which service is public",
    "readiness_delay": "health checks decide",
    "deploy_timeout": "write `health_check`",
    "run_directory": "FTL keeps no files there",
    "secrets_path": "variables come from the environment and .env",
    "error_pages_path": "the proxy has pages of its own",
}
_NEEDS_YOU = {
    "aliases": "`ftl exec SERVICE -- COMMAND` runs them",
    "logging": "write `logging` of each service",
    "sshkit": "FTL keeps one connection to the server",
    "allow_empty_roles": "write the services that there are",
    "healthcheck": "write `health_check` of the service",
    "traefik": "FTL has its own proxy: write `routes`",
    "output": "`ftl deploy --json` prints events",
}


def take_over(file: Path, base: Path, variables: Mapping[str, str]) -> Draft:
    """Convert Kamal's configuration.

    Raises:
        ConfigError: It cannot be parsed, or has ERB that is more than a variable.
    """
    root = _parse(file)
    draft = Draft(str(file), project_name(text(root.get("service")) or base.resolve().name))
    _Kamal(draft, root, base, variables).run()
    _beside(draft, file)
    return draft


def _parse(file: Path) -> MappingNode:
    name = display_path(file)
    try:
        written = read_small_text(file)
    except OSError as error:
        raise UsageError(f"{name} cannot be read", cause=error.strerror) from error
    source = SourceFile(name, written)

    def variable(match: re.Match[str]) -> str:
        known = _ERB_VARIABLE.fullmatch(match[1])
        if known is None:
            line = written.count("\n", 0, match.start()) + 1
            hint = 'write the value, or a variable: only <%= ENV["NAME"] %> is taken over'
            raise ConfigError([Mark(source, line, 1).problem("this ERB is not evaluated", hint)])
        return f"${{{known[1]}:-{known[2]}}}" if known[2] else f"${{{known[1]}}}"

    converted = SourceFile(name, _ERB.sub(variable, written))
    root, problems = parse(converted)
    if problems:
        raise ConfigError(problems)
    if not isinstance(root, MappingNode) or root.get("service") is None:
        raise ConfigError([root.mark.problem("this is no configuration of Kamal", "it must have `service:`")])
    return root


class _Kamal:
    def __init__(self, draft: Draft, root: MappingNode, base: Path, variables: Mapping[str, str]) -> None:
        self._draft = draft
        self._root = root
        self._base = base
        self._texts = Texts(variables)

    def _add(self, key: str, verdict: Verdict, what: str = "", node: Node | None = None) -> None:
        self._draft.report.add(key, verdict, what, (node or self._root).mark)

    def _text(self, node: Node | None) -> str:
        return self._texts.convert(text(node))

    def run(self) -> None:
        """Convert all keys."""
        root = self._root
        build = self._build()
        env = self._env(root.get("env"), "env")
        volumes = [self._text(item) for item in items(root.get("volumes"))]
        self._servers(build, env, volumes)
        self._proxy()
        self._accessories()
        for key, entry in root.entries.items():
            match key:
                case "service":
                    self._add(key, Verdict.CHANGED, "project.name", entry.value)
                case "image":
                    self._add(
                        key,
                        Verdict.LEFT_OUT,
                        "the built image goes to the server over SSH, without a registry",
                        entry.value,
                    )
                case "registry":
                    self._add(
                        key,
                        Verdict.LEFT_OUT,
                        "images go over SSH; for base images, credentials of `docker login` are used",
                        entry.value,
                    )
                case "volumes":
                    self._add(key, Verdict.TAKEN, node=entry.value)
                case "ssh":
                    self._ssh(entry.value)
                case "retain_containers":
                    self._draft.top["keep_releases"] = self._text(entry.value)
                    self._add(key, Verdict.CHANGED, "keep_releases", entry.value)
                case "require_destination":
                    self._draft.top["protected"] = self._text(entry.value) == "true"
                    self._add(
                        key, Verdict.CHANGED, "protected: a deploy needs -e or its confirmation", entry.value
                    )
                case "labels":
                    self._add(key, Verdict.LEFT_OUT, "no part of FTL reads labels", entry.value)
                case _ if key in _LEFT_OUT:
                    self._add(key, Verdict.LEFT_OUT, _LEFT_OUT[key], entry.value)
                case _ if key not in ("servers", "proxy", "env", "builder", "accessories"):
                    self._add(key, Verdict.NEEDS_YOU, _NEEDS_YOU.get(key, "FTL has no such key"), entry.value)
        for variable in self._texts.unset:
            self._add(
                f"${{{variable}}}",
                Verdict.NEEDS_YOU,
                "it is not set here, and so empty: set it in .env or the environment",
            )

    def _build(self) -> dict[str, object]:
        build: dict[str, object] = {"context": "."}
        for key, node in entries(self._root.get("builder")).items():
            name = f"builder.{key}"
            match key:
                case "context" | "dockerfile" | "target":
                    build[key] = self._text(node)
                    self._add(name, Verdict.CHANGED, f"build.{key}", node)
                case "args":
                    build["args"] = {arg: self._text(value) for arg, value in entries(node).items()}
                    self._add(name, Verdict.CHANGED, "build.args", node)
                case "secrets":
                    wanted = [text(item) for item in items(node)]
                    known = [item for item in wanted if item in self._texts.variables]
                    if known:
                        build["secrets"] = known
                    missing = [item for item in wanted if item not in known]
                    what = (
                        f"set {', '.join(missing)}, and write them as `secrets` below `build`"
                        if missing
                        else "build.secrets"
                    )
                    self._add(name, Verdict.NEEDS_YOU if missing else Verdict.CHANGED, what, node)
                case "arch":
                    self._add(name, Verdict.LEFT_OUT, "images are built for the server's platform", node)
                case "remote":
                    self._add(name, Verdict.NEEDS_YOU, "FTL builds on this machine", node)
                case _:
                    self._add(name, Verdict.LEFT_OUT, "the builder's own cache and driver are used", node)
        if not (self._base / str(build["context"])).is_dir():
            self._add("builder.context", Verdict.NEEDS_YOU, f"there is no folder {build['context']}")
        return build

    def _env(self, node: Node | None, key: str) -> dict[str, object]:
        known = entries(node)
        env: dict[str, object] = {}
        plain = known.get("clear") if "clear" in known or "secret" in known else node
        env |= {
            name: self._text(value)
            for name, value in entries(plain).items()
            if name not in ("secret", "tags")
        }
        for item in items(known.get("secret")):
            name, _, source = text(item).partition(":")
            env[name] = self._texts.convert(f"${{{source or name}}}")
        if known.get("tags") is not None:
            self._add(f"{key}.tags", Verdict.NEEDS_YOU, "env is the same on the whole server", known["tags"])
        if node is not None:
            self._add(key, Verdict.CHANGED, "env; secrets are `${NAME}`", node)
        return env

    def _servers(self, build: dict[str, object], env: dict[str, object], volumes: list[str]) -> None:
        node = self._root.get("servers")
        roles = {"web": node} if isinstance(node, SequenceNode) else entries(node)
        hosts: list[str] = []
        plain_build: object = build if len(build) > 1 else build["context"]
        for role, value in roles.items() or {"web": self._root}.items():
            options = entries(value)
            listed = options.get("hosts") if options else value
            hosts += [text(item) or next(iter(entries(item)), "") for item in items(listed)]
            keys: dict[str, object] = {"build": plain_build}
            if options.get("cmd") is not None:
                keys["command"] = self._text(options["cmd"])
            own = (
                {**env, **self._env(options.get("env"), f"servers.{role}.env")}
                if options.get("env") is not None
                else env
            )
            if own:
                keys["env"] = own
            if volumes:
                keys["volumes"] = volumes
            self._draft.services[project_name(role)] = keys
            self._add(f"servers.{role}", Verdict.CHANGED, f"the service {project_name(role)}", value)
            for name in options:
                if name not in ("hosts", "cmd", "env", "proxy"):
                    self._add(
                        f"servers.{role}.{name}",
                        Verdict.NEEDS_YOU,
                        "write the same keys of the service, where FTL has them",
                        options[name],
                    )
        hosts = [self._texts.convert(host) for host in dict.fromkeys(hosts) if host]
        if hosts:
            self._draft.server["host"] = hosts[0]
        if len(hosts) > 1:
            others = ", ".join(hosts[1:])
            self._add(
                "servers",
                Verdict.NEEDS_YOU,
                f"a project has one server: {hosts[0]}; {others}: deploy there with `--server`",
                node,
            )

    def _ssh(self, node: Node) -> None:
        for key, value in entries(node).items():
            written = self._text(value)
            match key:
                case "user" | "port":
                    self._draft.server[key] = written
                    self._add(f"ssh.{key}", Verdict.CHANGED, f"server.{key}", value)
                case "keys":
                    self._draft.server["ssh_key"] = self._text(items(value)[0]) if items(value) else ""
                    self._add("ssh.keys", Verdict.CHANGED, "server.ssh_key", value)
                case _:
                    self._add(
                        f"ssh.{key}",
                        Verdict.LEFT_OUT,
                        "ssh's own configuration (~/.ssh/config) decides",
                        value,
                    )
        if "host" not in self._draft.server:
            self._draft.server = {}

    def _proxy(self) -> None:
        options = entries(self._root.get("proxy"))
        web = next(iter(self._draft.services))
        keys = self._draft.services[web]
        port = self._text(options.get("app_port")) or "80"
        hosts = (
            [text(options.get("host"))]
            if options.get("host")
            else [text(item) for item in items(options.get("hosts"))]
        )
        hosts = [host for one in hosts for host in self._texts.resolve(one).split(",") if is_host(host)]
        keys["port"] = port
        self._draft.domain = hosts[0] if hosts else None
        prefix = text(options.get("path_prefix")) or "/"
        keys["routes"] = [
            {"path": prefix} | ({} if host == self._draft.domain else {"host": host}) for host in hosts
        ]
        if not hosts:
            keys["routes"] = [{"path": prefix}]
        check = entries(options.get("healthcheck"))
        keys["health_check"] = {"path": self._text(check.get("path")) or "/up"}
        self._add(
            "proxy", Verdict.CHANGED, f"port, routes and health_check of {web}", self._root.get("proxy")
        )
        if text(options.get("ssl")) != "true" and options:
            self._draft.top["proxy"] = {"tls": "off"}
            self._add("proxy.ssl", Verdict.CHANGED, "proxy.tls: off", options.get("ssl"))
        for key, value in options.items():
            if key not in ("host", "hosts", "app_port", "ssl", "healthcheck", "path_prefix"):
                hint = {
                    "forward_headers": "write `proxy.trusted_proxies`, the addresses of the load balancer in front"
                }.get(key, "FTL's proxy decides")
                self._add(
                    f"proxy.{key}",
                    Verdict.NEEDS_YOU if key == "forward_headers" else Verdict.LEFT_OUT,
                    hint,
                    value,
                )

    def _accessories(self) -> None:
        for key, node in entries(self._root.get("accessories")).items():
            name = project_name(key)
            options = entries(node)
            image = self._text(options.get("image"))
            keys: dict[str, object] = {"image": image}
            if env := self._env(options.get("env"), f"accessories.{key}.env"):
                keys["env"] = env
            port = re.search(r"(\d+)$", self._texts.resolve(text(options.get("port"))))
            known = int(port[1]) if port else IMAGE_PORTS.get(images.kind(image))
            keys["ports"] = [known] if known else []
            volumes = [self._text(item) for item in items(options.get("volumes"))]
            for item in items(options.get("directories")):
                source, _, target = self._text(item).partition(":")
                volumes.append(
                    f"{source}:{target}"
                    if source.startswith("/")
                    else f"{name}_{re.sub(r'[^a-z0-9]+', '_', source)}:{target}"
                )
                if not source.startswith("/"):
                    path = f"~/{self._draft.name}-{key}/{source}"
                    todo = (
                        f"Kamal keeps it in {path} on the server: copy it into the volume, or mount that path"
                    )
                    self._add(f"accessories.{key}.directories", Verdict.NEEDS_YOU, todo, item)
                    self._draft.note(name, f"directories: {todo}")
            if volumes:
                keys["volumes"] = volumes
            for option, value in options.items():
                if option in ("files", "cmd", "options"):
                    self._add(
                        f"accessories.{key}.{option}",
                        Verdict.NEEDS_YOU,
                        "write the same keys of the dependency, where FTL has them",
                        value,
                    )
                    self._draft.note(name, f"{option}: see {self._draft.source}")
                elif option in ("host", "hosts", "role", "roles", "tag", "tags"):
                    self._add(
                        f"accessories.{key}.{option}",
                        Verdict.LEFT_OUT,
                        "it runs on the project's server",
                        value,
                    )
            if not keys["ports"]:
                del keys["ports"]
            self._draft.dependencies[name] = keys
            todo = f"Kamal names its container {self._draft.name}-{key}: the app must reach it as {name}"
            self._add(f"accessories.{key}", Verdict.CHANGED, f"the dependency {name}. {todo}", node)


def _beside(draft: Draft, file: Path) -> None:
    """Files of Kamal beside the configuration: secrets, hooks, destinations."""
    top = file.resolve().parent.parent if file.resolve().parent.name == "config" else file.resolve().parent
    folder = AppFolder(top)
    for line in folder.read(".kamal/secrets").splitlines():
        if match := re.match(r"^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)", line):
            how = "`${NAME}` takes it from the environment or .env"
            if "$(" in match[2]:
                how = f"set it before a deploy: `export {match[1]}={match[2].strip()}`"
            draft.report.add(
                f".kamal/secrets: {match[1]}", Verdict.NEEDS_YOU if "$(" in match[2] else Verdict.CHANGED, how
            )
    hooks = top / ".kamal" / "hooks"
    if hooks.is_dir():
        for path in sorted(hooks.iterdir()):
            if not path.name.endswith(".sample"):
                what = "write it as `hooks: {pre: {local: ...}}` or `post` of a service"
                draft.report.add(f".kamal/hooks/{path.name}", Verdict.NEEDS_YOU, what)
    for path in sorted(file.parent.glob("deploy.*.yml")):
        name = path.name.removeprefix("deploy.").removesuffix(".yml")
        draft.report.add(
            path.name,
            Verdict.NEEDS_YOU,
            f"write what differs into ftl.{name}.yaml, and use it with `ftl -e {name}`",
        )
    draft.report.add(
        "the server",
        Verdict.NEEDS_YOU,
        "kamal-proxy has ports 80 and 443: run `kamal proxy remove` before the first deploy",
    )
