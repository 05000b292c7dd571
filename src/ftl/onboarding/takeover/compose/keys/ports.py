"""Ports of a Compose service and their protocols: the one for requests, and published ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.values import addresses
from ftl.config.yaml.tree import is_null
from ftl.databases import IMAGE_PORTS, NOT_HTTP_PORTS
from ftl.image.building.inputs.image_settings import exposed_ports
from ftl.onboarding.takeover.compose.images_of import dockerfile_of
from ftl.onboarding.takeover.compose.port_forms import parse_ports
from ftl.onboarding.takeover.nodes import entries, is_valid, items, pairs, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion
    from ftl.onboarding.takeover.compose.port_forms import Port


_NOT_HTTP = NOT_HTTP_PORTS | {
    21, 22, 25, 53, 110, 143, 465, 587, 993, 995, 1025, 1194, 1883, 1935, 2222, 2525, 3478, 4222, 5060, 5222, 6432,
    6543, 6667, 8883, 19132, 25565, 27015, 51820, 64738
}  # fmt: skip
"""Files, shells, mail (1025 and 2525 in tests), names, poolers, queues, tunnels, chats, calls, games."""

_GRPC = range(50051, 50060)
_FASTCGI = 9000
_FPM = re.compile(r"\bfpm\b", re.IGNORECASE)
_PHP = re.compile(r"(?:^|[-_])(?:php\d*|fpm)(?:$|[-_])")
_WHY = {
    "tcp": "it does not speak HTTP, and others reach the container itself by its name",
    "h2c": "gRPC has this port; take `protocol` away if it is HTTP/1.1",
}


def protocol_of(conversion: ComposeConversion, port: int) -> str:
    """`http`, `h2c` or `tcp`, by the number of a port and by the program."""
    if port in _NOT_HTTP or (port == _FASTCGI and _is_fpm(conversion)):
        return "tcp"
    return "h2c" if port in _GRPC else "http"


def best_port(conversion: ComposeConversion, ports: list[int]) -> int | None:
    """The first of several ports that the proxy can ask, else the first one."""
    asked = (port for port in ports if protocol_of(conversion, port) != "tcp")
    return next(asked, ports[0] if ports else None)


def set_port(conversion: ComposeConversion, port: int) -> None:
    """Write the port and its protocol; a service with routes speaks HTTP on any port."""
    keys, protocol = conversion.keys, protocol_of(conversion, port)
    keys["port"] = port
    keys.pop("protocol", None)
    if protocol == "http" or (protocol == "tcp" and conversion.labelled.routes):
        return
    keys["protocol"] = protocol
    conversion.changed("port", f"port: {port} with protocol: {protocol}, since {_WHY[protocol]}")


def _is_fpm(conversion: ComposeConversion) -> bool:
    """Whether a program is PHP-FPM, which nginx asks by FastCGI."""
    context = conversion.context
    image = context.images.get(conversion.source, "")
    written = dockerfile_of(conversion.node, context.texts, context.base)
    return bool(_PHP.search(conversion.source) or _FPM.search(image) or _FPM.search(written))


HTTP = (80, 443, 8080, 3000, 8000, 5000, 8888, 4000, 5173)
"""Ports by which the public service is found, most likely first."""


def ports(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Published ports: one gets the proxy's requests, the others are `forwards`; each has a row."""
    parsed, unread = parse_ports(node, conversion.resolve)
    _report_unset(conversion, node)
    for place, written in unread.items():
        todo = f"`{written}` is not a port: a variable in it is not set"
        conversion.todo(f"{key}{place}", todo)
    if conversion.is_dependency:
        _of_dependency(conversion, key, parsed)
        return
    if not parsed and not unread:
        conversion.left_out(key, "it is empty")
        return
    main = _main(conversion, parsed)
    if main is not None:
        set_port(conversion, main.target)
        _main_port(conversion, key, main)
    forwards = _forwards(conversion, key, parsed, main)
    if main is not None and main.target != 443 and any(port.published == 443 for port in parsed):
        todo = f"FTL's proxy has the certificate: port {main.target} gets plain requests, and must not redirect them"
        conversion.todo(f"{key}: 443", todo, node)
    if forwards:
        conversion.keys["forwards"] = forwards


def _report_unset(conversion: ComposeConversion, node: Node) -> None:
    """Report variables that name a port of the server, and are not set."""
    for item in items(node):
        written = text(item) or text(entries(item).get("published"))
        for name in conversion.context.texts.missing(written):
            what = f"it is not set, and names the server's port of {conversion.source}"
            todo = f"{what}: that of the container is in its place"
            conversion.context.texts.unset.setdefault(name, todo)


def _main_port(conversion: ComposeConversion, key: str, main: Port) -> None:
    """Report the port that gets requests; whether they are public, labels say, or the choice among services."""
    labelled, context = conversion.labelled, conversion.context
    if main.is_loopback and not labelled.routes:
        reached = f"the proxy and the other services reach the port {main.target}"
        conversion.left_out(f"{key}{main.place}", f"port {main.published} on 127.0.0.1: {reached}", main.item)
        context.local[conversion.source] = main
    elif main.published is None or labelled.routes or labelled.refused:
        context.unnumbered |= {conversion.source: main} if main.published is None else {}
        conversion.changed(f"{key}{main.place}", f"port: {main.target}", main.item)
    else:
        context.candidates[conversion.source] = main


def _of_dependency(conversion: ComposeConversion, key: str, parsed: list[Port]) -> None:
    conversion.keys["ports"] = sorted({port.target for port in parsed if port.protocol == "tcp"})
    if any(port.published and not port.is_loopback for port in parsed):
        conversion.changed(key, "ports, on 127.0.0.1 of the server only: `ftl tunnels` leads there")
    else:
        conversion.taken(key)


def _main(conversion: ComposeConversion, parsed: list[Port]) -> Port | None:
    """The port for HTTP: the one that labels name, else the most likely one."""
    tcp = [port for port in parsed if port.protocol == "tcp"]
    asked = [port for port in tcp if protocol_of(conversion, port.target) != "tcp"]
    labelled = next((port for port in asked if port.target == conversion.labelled.port), None)
    return labelled or min(asked, key=lambda port: _rank(conversion, port.target), default=None)


def _rank(conversion: ComposeConversion, port: int) -> tuple[bool, int]:
    return protocol_of(conversion, port) != "http", HTTP.index(port) if port in HTTP else len(HTTP)


def _forwards(conversion: ComposeConversion, key: str, parsed: list[Port], main: Port | None) -> list[str]:
    forwards: dict[str, None] = {}
    for port in parsed:
        if port is main:
            continue
        if port.published is None:
            verdict, what = Verdict.LEFT_OUT, "the engine chose a port of the server: write one as `forwards`"
        elif port.protocol == "sctp":
            verdict, what = Verdict.NEEDS_YOU, f"FTL publishes no ports of SCTP: {port.forward}"
        elif port.published not in (80, 443):
            forwards[port.forward] = None
            verdict, what = Verdict.CHANGED, "forwards"
        elif main is not None:
            verdict, what = Verdict.CHANGED, f"port: {main.target}; the proxy listens on 80 and 443"
        else:
            verdict, what = Verdict.NEEDS_YOU, f"port {port.published} of the server belongs to the proxy"
        conversion.add(f"{key}{port.place}", verdict, what, port.item)
    return list(forwards)


def expose(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Ports that only the project reaches."""
    if conversion.is_dependency:
        conversion.left_out(key, "all ports of a dependency are open to the project")
        return
    if conversion.source in conversion.context.extended and is_other_program(conversion):
        conversion.left_out(key, "it is of the service that this one extends, and nothing reaches it")
        return
    parsed, _ = parse_ports(node, conversion.resolve)
    port = best_port(conversion, [port.target for port in parsed if port.protocol == "tcp"])
    if port is not None and "port" not in conversion.keys and conversion.node.get("ports") is None:
        set_port(conversion, port)
    conversion.changed(key, "port")


def find_port(conversion: ComposeConversion) -> None:
    """Port and routes by labels, by EXPOSE of the Dockerfile, or by the image's name."""
    keys, labelled = conversion.keys, conversion.labelled
    if conversion.is_dependency:
        if not keys.get("ports"):
            port = _database_port(conversion)
            keys |= {"ports": [port]} if port is not None else {}
        if not keys.get("ports"):
            keys.pop("ports", None)
        return
    if labelled.port:
        set_port(conversion, labelled.port)
    if "port" not in keys:
        port = _exposed(conversion)
        if is_other_program(conversion) and not labelled.routes:
            port = None  # EXPOSE is of the image's own program; a worker of the same image listens on nothing
        port = port or _database_port(conversion) or (80 if labelled.routes else None)
        if port is not None:
            set_port(conversion, port)
    if labelled.routes and "port" in keys:
        _routes(conversion)
    is_http = "port" in keys and "protocol" not in keys
    if labelled.health and is_http and is_valid(addresses.probe_path, labelled.health):
        keys["health_check"] = {"path": labelled.health}
        conversion.changed("labels: healthcheck.path", "health_check.path")
    if labelled.email and not conversion.draft.email and "@" in labelled.email:
        conversion.draft.email = labelled.email


def _routes(conversion: ComposeConversion) -> None:
    """Routes by labels; those of the project's domain need no host."""
    draft = conversion.draft
    labelled = conversion.labelled
    conversion.keys["routes"] = [
        {"path": path}
        | ({"strip_prefix": True} if (host, path) in labelled.stripped else {})
        | ({} if host in ("", draft.domain) else {"host": host})
        for host, path in labelled.routes
    ]


def _database_port(conversion: ComposeConversion) -> int | None:
    return IMAGE_PORTS.get(conversion.kind)


def is_other_program(conversion: ComposeConversion) -> bool:
    """Whether a service runs another program than its image, and none of the others reaches it."""
    command = conversion.node.get("command")
    return command is not None and not is_null(command) and not _is_reached(conversion)


def _is_reached(conversion: ComposeConversion) -> bool:
    """Whether a variable or command of another service names this one with a port, or as a URL's host."""
    named = re.compile(rf"(?:^|[@/\s=]){re.escape(conversion.source)}(?::\d|/|$)")
    for name, node in conversion.context.services.items():
        options = entries(node)
        given = [*pairs(options.get("environment")).values(), text(options.get("command"))]
        given += [text(item) for item in items(options.get("command"))]
        if name != conversion.source and any(named.search(value or "") for value in given):
            return True
    return False


def _exposed(conversion: ComposeConversion) -> int | None:
    context = conversion.context
    if "build" not in conversion.keys:
        return None
    return best_port(conversion, exposed_ports(dockerfile_of(conversion.node, context.texts, context.base)))
