"""Kamal's config/deploy.yml as a draft of ftl.yaml. ERB is not evaluated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.values import addresses
from ftl.config.yaml.tree import SequenceNode
from ftl.onboarding.names import project_name
from ftl.onboarding.takeover.draft import Draft
from ftl.onboarding.takeover.kamal.accessories import accessories
from ftl.onboarding.takeover.kamal.conversion import KamalConversion
from ftl.onboarding.takeover.kamal.files import parse_configuration, take_over_other_files
from ftl.onboarding.takeover.nodes import entries, is_valid, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config.yaml.tree import Node

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
    "image": "the built image goes to the server over SSH, without a registry",
    "registry": "images go over SSH; for base images, credentials of `docker login` are used",
}
_NEEDS_YOU = {
    "aliases": "`ftl exec SERVICE -- COMMAND` runs them",
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
    root = parse_configuration(file)
    draft = Draft(str(file), project_name(text(root.get("service")) or base.resolve().name))
    _convert(KamalConversion(draft, root, base, variables))
    take_over_other_files(draft, file)
    return draft


def _convert(kamal: KamalConversion) -> None:
    root = kamal.root
    build = _build(kamal)
    env = kamal.env(root.get("env"), "env")
    volumes = [kamal.text(item) for item in items(root.get("volumes"))]
    _servers(kamal, build, env, volumes)
    _proxy(kamal)
    accessories(kamal)
    for key, entry in root.entries.items():
        match key:
            case "service":
                kamal.add(key, Verdict.CHANGED, "project.name", entry.value)
            case "volumes":
                kamal.add(key, Verdict.TAKEN, node=entry.value)
            case "ssh":
                _ssh(kamal, entry.value)
            case "retain_containers":
                kamal.draft.top["keep_releases"] = kamal.text(entry.value)
                kamal.add(key, Verdict.CHANGED, "keep_releases", entry.value)
            case "require_destination":
                kamal.draft.top["protected"] = kamal.text(entry.value) == "true"
                how = "protected: a deploy needs -e or its confirmation"
                kamal.add(key, Verdict.CHANGED, how, entry.value)
            case "labels" | "logging":
                for service in kamal.draft.services.values():
                    service.setdefault(key, kamal.plain(entry.value))
                kamal.add(key, Verdict.CHANGED, f"{key} of each service", entry.value)
            case _ if key in _LEFT_OUT:
                kamal.add(key, Verdict.LEFT_OUT, _LEFT_OUT[key], entry.value)
            case _ if key not in ("servers", "proxy", "env", "builder", "accessories"):
                kamal.add(key, Verdict.NEEDS_YOU, _NEEDS_YOU.get(key, "FTL has no such key"), entry.value)
    for variable in kamal.texts.unset:
        kamal.add(
            f"${{{variable}}}",
            Verdict.NEEDS_YOU,
            "it is not set here, and so empty: set it in .env or the environment",
        )


def _build(kamal: KamalConversion) -> dict[str, object]:
    build: dict[str, object] = {"context": "."}
    for key, node in entries(kamal.root.get("builder")).items():
        name = f"builder.{key}"
        match key:
            case "context" | "dockerfile" | "target":
                build[key] = kamal.text(node)
                kamal.add(name, Verdict.CHANGED, f"build.{key}", node)
            case "args":
                build["args"] = {arg: kamal.text(value) for arg, value in entries(node).items()}
                kamal.add(name, Verdict.CHANGED, "build.args", node)
            case "secrets":
                wanted = [text(item) for item in items(node)]
                known = [item for item in wanted if item in kamal.texts.variables]
                if known:
                    build["secrets"] = known
                missing = [item for item in wanted if item not in known]
                what = (
                    f"set {', '.join(missing)}, and write them as `secrets` below `build`"
                    if missing
                    else "build.secrets"
                )
                kamal.add(name, Verdict.NEEDS_YOU if missing else Verdict.CHANGED, what, node)
            case "arch":
                kamal.add(name, Verdict.LEFT_OUT, "images are built for the server's platform", node)
            case "remote":
                _remote_builder(kamal, build, name, node)
            case "cache":
                _cache(kamal, build, name, node)
            case _:
                kamal.add(name, Verdict.LEFT_OUT, "the docker command's own builder is used", node)
    if not (kamal.base / str(build["context"])).is_dir():
        kamal.add("builder.context", Verdict.NEEDS_YOU, f"there is no folder {build['context']}")
    return build


def _remote_builder(kamal: KamalConversion, build: dict[str, object], name: str, node: Node) -> None:
    """`ssh://USER@HOST:PORT`: the host, with what ssh must know of it."""
    match = re.fullmatch(r"ssh://(?:([^@/]+)@)?([^@:/]+)(?::([0-9]+))?/?", kamal.text(node))
    if match is None or not is_valid(addresses.ssh_host, match[2]):
        kamal.add(name, Verdict.NEEDS_YOU, "write the host as `build.on`", node)
        return
    user, build["on"], port = match.groups()
    parts = [*([f"User {user}"] if user else []), *([f"Port {port}"] if port else [])]
    if parts:
        needed = f"`build.on`; `{'` and `'.join(parts)}` for {match[2]} belong in ~/.ssh/config"
        kamal.add(name, Verdict.NEEDS_YOU, needed, node)
    else:
        kamal.add(name, Verdict.CHANGED, "build.on", node)


def _cache(kamal: KamalConversion, build: dict[str, object], name: str, node: Node) -> None:
    """GitHub's cache; one in a registry has a name that only Kamal completes."""
    kind = text(entries(node).get("type"))
    if kind == "gha":
        build["cache"] = "gha"
        kamal.add(name, Verdict.CHANGED, "build.cache", node)
    else:
        todo = "write the repository of the cache, with its registry, as `build.cache`"
        kamal.add(name, Verdict.NEEDS_YOU, todo, node)


def _servers(
    kamal: KamalConversion, build: dict[str, object], env: dict[str, object], volumes: list[str]
) -> None:
    node = kamal.root.get("servers")
    roles = {"web": node} if isinstance(node, SequenceNode) else entries(node)
    hosts: list[str] = []
    plain_build: object = build if len(build) > 1 else build["context"]
    for role, value in roles.items() or {"web": kamal.root}.items():
        options = entries(value)
        listed = options.get("hosts") if options else value
        hosts += [text(item) or next(iter(entries(item)), "") for item in items(listed)]
        keys: dict[str, object] = {"build": plain_build}
        if options.get("cmd") is not None:
            keys["command"] = kamal.text(options["cmd"])
        own = (
            {**env, **kamal.env(options.get("env"), f"servers.{role}.env")}
            if options.get("env") is not None
            else env
        )
        if own:
            keys["env"] = own
        if volumes:
            keys["volumes"] = volumes
        kamal.draft.services[project_name(role)] = keys
        kamal.add(f"servers.{role}", Verdict.CHANGED, f"the service {project_name(role)}", value)
        for name in options:
            if name not in ("hosts", "cmd", "env", "proxy"):
                kamal.option(keys, f"servers.{role}", name, options[name])
    hosts = [kamal.texts.convert(host) for host in dict.fromkeys(hosts) if host]
    if hosts:
        kamal.draft.server["host"] = hosts[0]
    if len(hosts) > 1:
        others = f"{', '.join(hosts[1:])}: deploy there with `--server`"
        kamal.add("servers", Verdict.NEEDS_YOU, f"a project has one server: {hosts[0]}; {others}", node)


def _ssh(kamal: KamalConversion, node: Node) -> None:
    for key, value in entries(node).items():
        written = kamal.text(value)
        match key:
            case "user" | "port":
                kamal.draft.server[key] = written
                kamal.add(f"ssh.{key}", Verdict.CHANGED, f"server.{key}", value)
            case "keys":
                kamal.draft.server["ssh_key"] = kamal.text(items(value)[0]) if items(value) else ""
                kamal.add("ssh.keys", Verdict.CHANGED, "server.ssh_key", value)
            case _:
                reason = "ssh's own configuration (~/.ssh/config) decides"
                kamal.add(f"ssh.{key}", Verdict.LEFT_OUT, reason, value)
    if "host" not in kamal.draft.server:
        kamal.draft.server = {}


def _proxy(kamal: KamalConversion) -> None:
    options = entries(kamal.root.get("proxy"))
    web = next(iter(kamal.draft.services))
    keys = kamal.draft.services[web]
    port = kamal.text(options.get("app_port")) or "80"
    named = items(options.get("host")) or items(options.get("hosts"))
    hosts = [
        host
        for item in named
        for host in kamal.texts.resolve(text(item)).split(",")
        if is_valid(addresses.route_host, host)
    ]
    keys["port"] = port
    kamal.draft.domain = hosts[0] if hosts else None
    prefix = text(options.get("path_prefix")) or "/"
    keys["routes"] = [
        {"path": prefix} | ({} if host == kamal.draft.domain else {"host": host}) for host in hosts
    ] or [{"path": prefix}]
    check = entries(options.get("healthcheck"))
    keys["health_check"] = {"path": kamal.text(check.get("path")) or "/up"}
    kamal.add("proxy", Verdict.CHANGED, f"port, routes and health_check of {web}", kamal.root.get("proxy"))
    if text(options.get("ssl")) != "true" and options:
        kamal.draft.top["proxy"] = {"tls": "off"}
        kamal.add("proxy.ssl", Verdict.CHANGED, "proxy.tls: off", options.get("ssl"))
    for key, value in options.items():
        if key not in ("host", "hosts", "app_port", "ssl", "healthcheck", "path_prefix"):
            if key == "forward_headers":
                todo = "write `proxy.trusted_proxies`, the addresses of the load balancer in front"
                kamal.add(f"proxy.{key}", Verdict.NEEDS_YOU, todo, value)
            else:
                kamal.add(f"proxy.{key}", Verdict.LEFT_OUT, "FTL's proxy decides", value)
