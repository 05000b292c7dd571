"""Proxies in front of the services of a Compose file: routes in their files and commands."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode, ScalarNode
from ftl.errors import UsageError
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.compose.mounts import parse_mount
from ftl.onboarding.takeover.compose.proxies.caddyfile import CaddyRoutes, caddy_routes, of_command
from ftl.onboarding.takeover.nodes import entries, items, pairs, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.onboarding.takeover.nodes import ComposeTexts

_CADDYFILE = "/etc/caddy/Caddyfile"
_CONTACT = re.compile(r"--certificates?resolvers\.[^.\s]+\.acme\.email[=\s]+[\"']?([^\s\"']+)", re.IGNORECASE)
_CONTACT_VARIABLE = re.compile(
    r"TRAEFIK_CERTIFICATESRESOLVERS_\w+_ACME_EMAIL|DEFAULT_EMAIL|LETSENCRYPT_EMAIL|ACME_EMAIL"
)


def contact_of(node: MappingNode, texts: ComposeTexts) -> str:
    """The contact for the authority of certificates that another proxy has; empty without one."""
    match = _CONTACT.search(" ".join(_words(node, texts)))
    found = match[1] if match else ""
    for name, value in pairs(node.get("environment")).items():
        if _CONTACT_VARIABLE.fullmatch(name):
            found = found or texts.resolve(value or "")
    for name, value in pairs(node.get("labels")).items():
        if name == "caddy.email":
            found = found or texts.resolve(value or "")
    return found if "@" in found else ""


def _words(node: MappingNode, texts: ComposeTexts) -> list[str]:
    command = node.get("command")
    if isinstance(command, ScalarNode):
        try:
            return shlex.split(texts.resolve(text(command)))
        except ValueError:
            return []
    return [texts.resolve(text(item)) for item in items(command)]


def front_routes(
    node: MappingNode, texts: ComposeTexts, base: Path, services: Mapping[str, str]
) -> CaddyRoutes | None:
    """Routes of a service that is Caddy and nothing more than a proxy; else None."""
    written = of_command(_words(node, texts)) or _caddyfile(node, texts, base)
    given = pairs(node.get("environment"))
    return caddy_routes(written, lambda name: texts.resolve(given.get(name) or f"${{{name}:-}}"), services)


def _caddyfile(node: MappingNode, texts: ComposeTexts, base: Path) -> str:
    """The text of the Caddyfile: one that is mounted, or one in the folder of the build."""
    places: list[tuple[Path, str]] = []
    for item in items(node.get("volumes")):
        mount = parse_mount(item, texts.resolve)
        if mount.kind == "bind" and (_CADDYFILE + "/").startswith(mount.target.rstrip("/") + "/"):
            path = base / mount.source / _CADDYFILE.removeprefix(mount.target.rstrip("/")).lstrip("/")
            places.append((path.parent, path.name))
    build = node.get("build")
    context = texts.resolve(text(build) or text(entries(build).get("context")))
    if build is not None and "://" not in context:
        places.append((base / context, "Caddyfile"))
    for folder, name in places:
        try:
            if written := AppFolder(folder).read(name):
                return written
        except UsageError:
            continue
    return ""
