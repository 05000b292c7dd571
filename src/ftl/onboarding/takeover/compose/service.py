"""One service of a Compose file: a function for each key that FTL writes differently."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common.suggestions import closest_match
from ftl.config.read.compose_keys import SERVICE
from ftl.config.read.foreign_keys import foreign_hint
from ftl.config.yaml.tree import describe_kind, is_null
from ftl.onboarding.periodic import is_periodic
from ftl.onboarding.takeover.compose.conversion import ComposeConversion
from ftl.onboarding.takeover.compose.keys import (
    build,
    environment,
    health,
    labels,
    limits,
    ports,
    text_files,
    volumes,
)
from ftl.onboarding.takeover.compose.keys.one_time import report_one_time
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import UNKNOWN_TO_COMPOSE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.config.yaml.tree import MappingNode, Node
    from ftl.onboarding.takeover.compose.conversion import ConversionContext


_COMMANDS = re.compile(
    r"\b(?:npm|pnpm|yarn|bun)(?: run)? (?:dev|develop|watch|start:dev|dev:\S+)(?![\w-])"
    r"|\bmanage\.py runserver\b|\bartisan serve\b|(?:^|\s)--(?:reload|watch|debug|inspect(?:-brk)?)(?=[\s=]|$)"
    r"|\b(?:nodemon|ts-node-dev|tsx watch|watchmedo|watchfiles)\b|\b(?:next|nuxt|astro|quasar|fastapi) dev\b"
    r"|\bng serve\b|\bwebpack(?:-dev-server| serve)\b|(?:^|[\s/])vite(?: dev| serve)?(?=\s+-|\s*$)|\bdotnet watch\b"
    r"|\bflask (?:\S+ )*?run\b|\bspring-boot:run\b|\bquarkus:dev\b|(?:^|[\s/])air(?=\s+-c|\s*$)"
)
"""Servers that watch files, reload, or show visitors tracebacks."""

_STAGES = re.compile(r"dev|develop|development|local|.*[-_](?:dev|development)", re.IGNORECASE)
_ENVIRONMENTS = re.compile(
    r"(?:NODE|RAILS|RACK|APP|FLASK|DJANGO|BUN|GO|ASPNETCORE|MIX)_ENV(?:IRONMENT)?", re.IGNORECASE
)
_FLAGS = re.compile(r"(?:DJANGO_|FLASK_|APP_)?DEBUG", re.IGNORECASE)
_DEVELOPMENT = ("development", "dev", "local")
_TRUE = ("1", "true", "yes", "on")


def report_development(conversion: ComposeConversion) -> None:
    """Report the command, variables and stage of a service that are for development."""
    keys = conversion.keys
    for key in ("command", "entrypoint"):
        given = keys.get(key, "")
        line = conversion.resolve(given if isinstance(given, str) else " ".join(_words(given)))
        if match := _COMMANDS.search(line):
            todo = f"`{match[0].strip()}` is for development: write the command for production"
            todo += f", or no `{key}` for that of the image" if "build" in keys else ""
            conversion.todo(key, todo)
    build = keys.get("build")
    stage = conversion.resolve(str(build.get("target", ""))) if isinstance(build, dict) else ""
    if _STAGES.fullmatch(stage):
        todo = f"the stage {stage} is for development: write that for production, or none for the last one"
        written_at = entries(conversion.node.get("build")).get("target")
        conversion.todo("build.target", todo, written_at)
    for name, value in conversion.mapping("env").items():
        written = conversion.resolve(str(value))
        is_environment = _ENVIRONMENTS.fullmatch(name) and written.lower() in _DEVELOPMENT
        if is_environment or (_FLAGS.fullmatch(name) and written.lower() in _TRUE):
            how = "write `production`" if is_environment else "take it away: it shows the app's inside to all"
            conversion.todo(f"environment: {name}", f"{written} is for development: {how}")


def _words(given: object) -> list[str]:
    return [str(word) for word in given] if isinstance(given, (tuple, list)) else []


_LATE = ("entrypoint", "healthcheck", "deploy", "platform", "configs", "secrets")
"""Keys that depend on others: the command, the port, the forwards, the build, the mounts."""

_ONE_OR_MORE = ("tmpfs", "extra_hosts", "cap_add", "cap_drop")


def convert(context: ConversionContext, source: str, node: MappingNode) -> None:
    """Convert a service into a service or a dependency of the draft."""
    conversion = ComposeConversion(context, source, node)
    draft = context.draft
    target = draft.dependencies if conversion.is_dependency else draft.services
    target[conversion.name] = conversion.keys
    if conversion.name != source:
        conversion.changed("", f"its name is {conversion.name}; others must use that as host name")
    for key, value in entries(node).items():
        if key not in _LATE:
            _key(conversion, key, value)
    ports.find_port(conversion)
    for key in _LATE:
        if key in node.entries:
            _key(conversion, key, node.entries[key].value)
    _one_writer(conversion)
    _one_clock(conversion)
    if not conversion.is_dependency:
        report_development(conversion)
        report_one_time(conversion)


def _one_clock(conversion: ComposeConversion) -> None:
    """Let a process that starts work by the clock stop before its successor starts: two would start it twice."""
    keys, key = conversion.keys, "command" if conversion.node.get("command") is not None else ""
    given = keys.get("command", "")
    command = given if isinstance(given, (str, tuple)) else ""
    is_alone = "routes" not in keys and "port" not in keys and keys.get("replicas", 1) == 1
    if not conversion.is_dependency and is_alone and is_periodic(conversion.source, command):
        keys["recreate"] = True
        conversion.changed(key, "a clock's process, with recreate: true: never two of it")


def _one_writer(conversion: ComposeConversion) -> None:
    """Let a foreign image with data stop before its successor starts, unless it has replicas on the same data."""
    keys = conversion.keys
    mounts = keys.get("volumes")
    written = mounts if isinstance(mounts, list) else []
    named = any(not str(mount).startswith("/") and not str(mount).endswith(":ro") for mount in written)
    if not conversion.is_dependency and "image" in keys and named and keys.get("replicas", 1) == 1:
        keys["recreate"] = True
        conversion.taken("volumes", "with recreate: true, since two containers must not write to one volume")


def _key(conversion: ComposeConversion, key: str, node: Node) -> None:
    if is_null(node) or key.startswith("x-"):
        reason = "it has no value" if is_null(node) else "where its anchors are used, they are written out"
        conversion.left_out(key, reason)
        return
    known, form = SERVICE.get(key), describe_kind(node)
    if known is not None and known.forms and form not in known.forms:
        conversion.todo(key, f"it is {form}, which Compose does not have there")
    elif known is None:
        match = closest_match(key, SERVICE)
        hint = foreign_hint(key, "services") or UNKNOWN_TO_COMPOSE
        conversion.todo(key, f"did you mean `{match}`?" if match else hint)
    elif conversion.is_dependency and known.dependency_hint and key not in _HANDLERS_OF_DEPENDENCIES:
        conversion.add_hint(key, known.dependency_hint)
    elif key in _HANDLERS:
        _HANDLERS[key](conversion, key, node)
    elif known.hint and text(node) == "false":
        conversion.left_out(key, "it is the default")
    elif known.hint:
        conversion.add_hint(key, known.hint)
    else:
        _same(conversion, key, node)


def _same(conversion: ComposeConversion, key: str, node: Node) -> None:
    """A key with the same meaning as in Compose."""
    plain = conversion.plain(node)
    if isinstance(plain, str) and key in _ONE_OR_MORE:
        plain = [plain]
    if key == "extra_hosts" and isinstance(plain, dict):
        plain = [
            f"{host}:{address}"
            for host, addresses in plain.items()
            for address in (addresses if isinstance(addresses, list) else [addresses])
        ]
    elif key == "extra_hosts" and isinstance(plain, list):
        plain = [str(item).replace("=", ":", 1) for item in plain]
    elif key == "tmpfs" and isinstance(plain, list):
        mounted = conversion.keys.get("tmpfs")
        plain = [*(mounted if isinstance(mounted, list) else []), *plain]
    if plain not in ("", [], {}):
        conversion.keys[key] = plain
    conversion.taken(key)


def _depends_on(conversion: ComposeConversion, key: str, node: Node) -> None:
    context = conversion.context
    named = list(entries(node)) or [text(item) for item in items(node)]
    services = [context.names[name] for name in named if context.kinds.get(name) == "service"]
    if not services:
        conversion.left_out(key, "dependencies are healthy before services start")
        return
    conversion.keys["depends_on"] = services
    only = "for services; dependencies always come first" if len(services) < len(named) else ""
    conversion.taken(key, only)


def _profiles(conversion: ComposeConversion, key: str, _node: Node) -> None:
    conversion.left_out(key, "the profile is active; for a variant of the project, write ftl.NAME.yaml")


_HANDLERS: dict[str, Callable[[ComposeConversion, str, Node], None]] = {
    "image": build.image,
    "build": build.build,
    "platform": build.platform,
    "command": environment.command,
    "entrypoint": environment.command,
    "environment": environment.environment,
    "env_file": environment.env_file,
    "volumes": volumes.volumes,
    "ports": ports.ports,
    "expose": ports.expose,
    "healthcheck": health.healthcheck,
    "labels": labels.labels,
    "deploy": limits.deploy,
    "scale": limits.scale,
    "mem_limit": limits.limit,
    "cpus": limits.limit,
    "pids_limit": limits.limit,
    "ulimits": limits.ulimits,
    "stop_grace_period": limits.stop_grace_period,
    "restart": limits.restart,
    "depends_on": _depends_on,
    "profiles": _profiles,
    "network_mode": limits.network_mode,
    "privileged": limits.privileged,
    "devices": limits.devices,
    "configs": text_files.configs,
    "secrets": text_files.secrets,
}
"""Functions by key of Compose; for other keys the table of Compose's keys decides."""

_HANDLERS_OF_DEPENDENCIES = ("deploy", "env_file", "healthcheck", "secrets")
"""Keys that a dependency has in another form, although the hint in ftl.yaml is another one."""
