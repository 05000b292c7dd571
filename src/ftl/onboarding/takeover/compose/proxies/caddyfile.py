"""A Caddyfile that only passes requests on, as routes; one that does more is not taken over."""

from __future__ import annotations

import re
import shlex
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.config.values import addresses
from ftl.config.yaml.tree import MappingNode, ScalarNode
from ftl.dataclass import dataclass
from ftl.errors import UsageError
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.compose.mounts import parse_mount
from ftl.onboarding.takeover.compose.proxies.labels import LabelledRoutes
from ftl.onboarding.takeover.nodes import entries, is_valid, items, pairs, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ftl.onboarding.takeover.nodes import ComposeTexts


_TOKEN = re.compile(r'"((?:\\.|[^"\\])*)"|`([^`]*)`|([^\s"`]\S*)')
_PLACEHOLDER = re.compile(r"\{\$(\w+)(?::([^{}]*))?\}|\{env\.(\w+)\}")
_UPSTREAM = re.compile(r"(?:http://)?([\w.-]+?)(?::(\d+))?/?")
_DONE_BY_FTL = frozenset({"encode", "log", "tls", "request_body"})
_OF_UPSTREAM = frozenset(
    {"header_up", "flush_interval", "trusted_proxies", "stream_timeout", "stream_close_delay"}
)
_LOST = frozenset({"header", "redir", "header_down"})
"""Directives that FTL's proxy has not in this form: the user decides about them."""


class _NotOnlyAProxyError(Exception):
    """A directive that does more than pass requests on, or that is not known."""


@dataclass(frozen=True, slots=True)
class CaddyRoutes:
    """Routes by a Caddyfile.

    Attributes:
        services: Service -> its routes and port.
        lost: Directives that are not taken over.
    """

    services: Mapping[str, LabelledRoutes]
    email: str = ""
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    """A directive with its arguments, and the lines in its block."""

    words: tuple[str, ...]
    block: tuple[_Line, ...] = ()


@dataclass(slots=True)
class _Found:
    """Routes that are known so far."""

    routes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    stripped: set[tuple[str, str]] = field(default_factory=set)
    ports: dict[str, set[int]] = field(default_factory=dict)
    lost: dict[str, None] = field(default_factory=dict)
    email: str = ""


def caddy_routes(
    text: str, environment: Callable[[str], str], services: Mapping[str, str]
) -> CaddyRoutes | None:
    """Routes to services, by their host names; None if the file does more than that.

    `environment` gives the value of a variable of Caddy's container.
    """
    found = _Found()
    try:
        for line in _parsed(_resolved(text, environment)):
            _site(found, line, services)
    except _NotOnlyAProxyError:
        return None
    if not found.routes or any(len(ports) > 1 for ports in found.ports.values()):
        return None
    made = {
        name: LabelledRoutes(
            tuple(dict.fromkeys(routes)),
            next(iter(found.ports[name])),
            hosts=tuple(dict.fromkeys(host for host, _ in routes if host)),
            stripped=frozenset(found.stripped & set(routes)),
        )
        for name, routes in found.routes.items()
    }
    return CaddyRoutes(made, found.email, tuple(found.lost))


def of_command(words: Sequence[str]) -> str:
    """The Caddyfile that `caddy reverse-proxy` stands for; empty for any other command."""
    if list(words[:2]) != ["caddy", "reverse-proxy"]:
        return ""
    options = dict(part.partition("=")[::2] for part in " ".join(words).replace(" --", "\n--").split("\n"))
    named = {
        key.partition(" ")[0].lstrip("-"): value or key.partition(" ")[2] for key, value in options.items()
    }
    return f"{named.get('from', ':80')} {{\n reverse_proxy {named.get('to', '')}\n}}\n"


def _resolved(text: str, environment: Callable[[str], str]) -> str:
    def value(match: re.Match[str]) -> str:
        return environment(match[1] or match[3]) or match[2] or ""

    return _PLACEHOLDER.sub(value, text)


def _parsed(text: str) -> list[_Line]:
    """The lines of the file as a tree.

    Raises:
        _NotOnlyAProxyError: Its braces do not match.
    """
    waiting: list[tuple[tuple[str, ...], list[_Line]]] = [((), [])]
    for written in text.splitlines():
        words = [
            next(part for part in match.groups() if part is not None) for match in _TOKEN.finditer(written)
        ]
        comment = next((index for index, word in enumerate(words) if word.startswith("#")), len(words))
        words = words[:comment]
        if not words:
            continue
        if words == ["}"]:
            if len(waiting) == 1:
                raise _NotOnlyAProxyError
            head, inner = waiting.pop()
            waiting[-1][1].append(_Line(head, tuple(inner)))
        elif words[-1] == "{":
            waiting.append((tuple(words[:-1]), []))
        else:
            waiting[-1][1].append(_Line(tuple(words)))
    if len(waiting) > 1:
        raise _NotOnlyAProxyError
    lines = waiting[0][1]
    first = next((line for line in lines if line.words), None)
    if first is not None and not first.block:  # one site without braces
        at = lines.index(first)
        return [*lines[:at], _Line(first.words, tuple(lines[at + 1 :]))]
    return lines


def _site(found: _Found, line: _Line, services: Mapping[str, str]) -> None:
    if not line.words:
        for option in line.block:
            if option.words[0] == "email" and len(option.words) == 2:
                found.email = option.words[1]
        return
    if line.words[0].startswith("("):
        raise _NotOnlyAProxyError  # a snippet
    hosts = [_host(part) for word in line.words for part in word.split(",") if part]
    for directive in line.block:
        _directive(found, hosts, directive, services, "/", strip=False)


def _host(address: str) -> str:
    """The host of an address; empty for a port alone, which is that of any host."""
    name, _, path = re.sub(r"^https?://", "", address).partition("/")
    host = name.partition(":")[0]
    if host in ("", "localhost") and not path:
        return ""
    if path or not is_valid(addresses.route_host, host):
        raise _NotOnlyAProxyError
    return host


def _directive(
    found: _Found, hosts: Sequence[str], line: _Line, services: Mapping[str, str], path: str, *, strip: bool
) -> None:
    name, *words = line.words
    if name in ("handle", "handle_path", "route"):
        inner = _path(words[0], path) if words else path
        for each in line.block:
            _directive(found, hosts, each, services, inner, strip=strip or name == "handle_path")
    elif name == "reverse_proxy":
        if len(words) > 1 and words[0].startswith(("/", "*")):
            path = _path(words.pop(0), path)
        _pass_on(found, hosts, words, line.block, services, (path, strip))
    elif name in _LOST:
        found.lost[f"{name} {' '.join(words)}".strip()] = None
    elif name == "tls" and len(words) == 1 and "@" in words[0]:
        found.email = words[0]
    elif name not in _DONE_BY_FTL:
        raise _NotOnlyAProxyError


def _path(matcher: str, below: str) -> str:
    """The prefix that a matcher of paths stands for."""
    if not matcher.startswith(("/", "*")):
        raise _NotOnlyAProxyError
    path = matcher.rstrip("*").rstrip("/") or "/"
    if "*" in path or below not in ("/", path):
        raise _NotOnlyAProxyError
    return path


def _pass_on(
    found: _Found,
    hosts: Sequence[str],
    upstreams: Sequence[str],
    options: Sequence[_Line],
    services: Mapping[str, str],
    place: tuple[str, bool],
) -> None:
    """Add the routes of one upstream."""
    path, strip = place
    matches = [_UPSTREAM.fullmatch(upstream) for upstream in upstreams]
    names = {(match[1], int(match[2] or 80)) if match else ("", 0) for match in matches}
    if len(names) != 1 or next(iter(names))[0] not in services:
        raise _NotOnlyAProxyError
    for option in options:
        if option.words[0] in _LOST:
            found.lost[" ".join(option.words)] = None
        elif not option.words[0].startswith(("health_", "lb_")) and option.words[0] not in _OF_UPSTREAM:
            raise _NotOnlyAProxyError
    host, port = next(iter(names))
    name = services[host]
    found.ports.setdefault(name, set()).add(port)
    routes = [(host, path) for host in hosts]
    found.routes.setdefault(name, []).extend(routes)
    if strip and path != "/":
        found.stripped |= set(routes)


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
