"""Parts of Compose in all their forms: ports, volumes, health checks, routes by labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode, Node
from ftl.databases import NOT_HTTP_PORTS
from ftl.dataclass import dataclass
from ftl.onboarding.takeover.nodes import entries, items, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PORT = re.compile(
    r"(?:(?:(\[[0-9a-fA-F:]+\]|[0-9.]+):)?([0-9]+(?:-[0-9]+)?)?:)?([0-9]+(?:-[0-9]+)?)(?:/(tcp|udp|sctp))?"
)
_LOCAL_URL = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\$\{?HOSTNAME\}?)(?::(\d+))?(/[^\s'\"|;&)]*)?"
)
_TRAEFIK_RULE = re.compile(r"traefik\.http\.routers\.[^.]+\.rule")
_TRAEFIK_PORT = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port")

NOT_HTTP = frozenset({21, 22, 25, 53, 110, 143, 465, 587, 993, 995, 8883, 51820}) | NOT_HTTP_PORTS
"""Ports whose protocol is not HTTP."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a container; `published` is None where only the container has it."""

    target: int
    published: int | None = None
    address: str = ""
    protocol: str = "tcp"

    @property
    def is_loopback(self) -> bool:
        """Whether only the machine itself reaches it."""
        return self.address.startswith("127.") or self.address == "[::1]"

    @property
    def forward(self) -> str:
        """The port as an item of `forwards`."""
        address = f"{self.address}:" if self.address and self.address not in ("0.0.0.0", "[::]") else ""  # noqa: S104
        suffix = f"/{self.protocol}" if self.protocol != "tcp" else ""
        return f"{address}{self.published}:{self.target}{suffix}"


def ports(node: Node | None, resolve: Callable[[str], str]) -> tuple[list[Port], list[str]]:
    """Ports in the short and the long form, and the texts of those that cannot be read."""
    found: list[Port] = []
    unread: list[str] = []
    for item in items(node):
        long = entries(item)
        if long:
            target, published = resolve(text(long.get("target"))), resolve(text(long.get("published")))
            source = f"{published}:{target}" if published else target
            address, protocol = text(long.get("host_ip")), text(long.get("protocol")) or "tcp"
        else:
            source, address, protocol = resolve(text(item)), "", ""
        read = list(_short(source, address, protocol))
        found += read
        unread += [] if read else [text(item) or source]
    return found, unread


def _short(source: str, address: str, protocol: str) -> Iterator[Port]:
    match = _PORT.fullmatch(source.strip())
    if match is None:
        return
    host, published, target, kind = match.groups()
    targets, hosts = _range(target), _range(published or "")
    if (len(hosts) == 1 and len(targets) > 1) or (len(targets) == 1 and len(hosts) > 1):
        hosts = hosts[:1] if len(targets) == 1 else [hosts[0] + number for number in range(len(targets))]
    for number, port in enumerate(targets):
        if 0 < port < 65536:
            yield Port(
                port,
                hosts[number] if number < len(hosts) else None,
                address or host or "",
                protocol or kind or "tcp",
            )


def _range(written: str) -> list[int]:
    first, _, last = written.partition("-")
    if not first:
        return []
    return list(range(int(first), min(int(last or first), int(first) + 100) + 1))


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount: `kind` is volume, bind, tmpfs or anonymous."""

    kind: str
    source: str
    target: str
    read_only: bool = False
    dropped: str = ""

    @property
    def item(self) -> str:
        """The mount as an item of `volumes`."""
        return f"{self.source}:{self.target}{':ro' if self.read_only else ''}"


def mount(item: Node, resolve: Callable[[str], str]) -> Mount:
    """A mount in the short or the long form."""
    if isinstance(item, MappingNode):
        long = {key: resolve(text(value)) for key, value in entries(item).items()}
        kind, source = long.get("type", "volume"), long.get("source", "")
        known = {"type", "source", "target", "read_only", "consistency"}
        dropped = ", ".join(key for key in entries(item) if key not in known)
        kind = "anonymous" if kind == "volume" and not source else kind
        return Mount(kind, source, long.get("target", ""), long.get("read_only") == "true", dropped)
    written = resolve(text(item))
    parts = written.split(":")
    if len(parts) == 1:
        return Mount("anonymous", "", written)
    source, target = parts[0], parts[1]
    options = parts[2].split(",") if len(parts) > 2 else []
    dropped = ", ".join(option for option in options if option not in ("ro", "rw"))
    kind = "bind" if re.match(r"[./~]", source) else "volume"
    return Mount(kind, source, target, "ro" in options, dropped)


@dataclass(frozen=True, slots=True)
class Check:
    """A health check: a path where it only requests one, else the command."""

    command: str | tuple[str, ...] | None = None
    path: str | None = None
    port: int | None = None
    disabled: bool = False


def check(node: Node | None) -> Check:
    """The test of a health check."""
    disabled = text(entries(node).get("disable")) == "true"
    test = entries(node).get("test")
    words = [text(item) for item in items(test)]
    if disabled or words[:1] == ["NONE"]:
        return Check(disabled=True)
    if not words:
        return Check()
    if not isinstance(test, MappingNode) and len(words) == 1 and words[0] not in ("CMD", "CMD-SHELL"):
        command: str | tuple[str, ...] = words[0]
    elif words[0] == "CMD-SHELL":
        command = " ".join(words[1:])
    else:
        command = tuple(words[1:]) if words[0] == "CMD" else tuple(words)
    line = command if isinstance(command, str) else " ".join(command)
    url = _LOCAL_URL.search(line)
    simple = re.match(r"\s*(?:curl|wget|/usr/bin/curl)\b", line) and not re.search(
        r"\|(?!\|)|&&|grep|--header|-H ", line
    )
    if url and simple:
        return Check(command, url[2] or "/", int(url[1]) if url[1] else None)
    return Check(command)


@dataclass(frozen=True, slots=True)
class Published:
    """Hosts with paths, the port and the contact, by labels or variables of another proxy."""

    routes: tuple[tuple[str, str], ...] = ()
    port: int | None = None
    email: str = ""


def published(
    labels: Mapping[str, str | None], environment: Mapping[str, str | None], resolve: Callable[[str], str]
) -> Published:
    """Read the labels of Traefik and caddy-docker-proxy, and the variables of nginx-proxy."""
    routes: list[tuple[str, str]] = []
    port = ""
    for name, given in labels.items():
        value = resolve(given or "")
        if _TRAEFIK_RULE.fullmatch(name):
            paths = re.findall(r"Path(?:Prefix)?\(([^)]*)\)", value)
            hosts = [
                host
                for group in re.findall(r"Host\(([^)]*)\)", value)
                for host in re.findall(r"[`'\"]([^`'\"]+)", group)[::1]
            ]
            prefixes = [path for group in paths for path in re.findall(r"[`'\"](/[^`'\"]*)", group)] or ["/"]
            routes += [
                (host.strip(" ,"), prefix) for host in hosts if host.strip(" ,") for prefix in prefixes
            ]
        elif _TRAEFIK_PORT.fullmatch(name):
            port = value
        elif re.fullmatch(r"caddy(?:_\d+)?", name):
            routes += [
                (re.sub(r"^https?://", "", host.strip()), "/")
                for host in re.split(r"[,\s]+", value)
                if host.strip()
            ]
        elif re.fullmatch(r"caddy(?:_\d+)?\.reverse_proxy", name) and (
            match := re.search(r"upstreams(?: https?)? (\d+)", value)
        ):
            port = match[1]
    if hosts_of := environment.get("VIRTUAL_HOST"):
        routes += [(host.strip(), "/") for host in resolve(hosts_of).split(",") if host.strip()]
        port = port or resolve(environment.get("VIRTUAL_PORT") or "")
    email = resolve(environment.get("LETSENCRYPT_EMAIL") or "")
    return Published(tuple(dict.fromkeys(routes)), int(port) if port.isdecimal() else None, email)
