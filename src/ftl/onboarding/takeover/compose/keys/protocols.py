"""Protocols on the ports of a Compose service, which Compose itself does not know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.databases import NOT_HTTP_PORTS
from ftl.onboarding.takeover.compose.images_of import dockerfile_of

if TYPE_CHECKING:
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion

_NOT_HTTP = NOT_HTTP_PORTS | {
    21, 22, 25, 53, 110, 139, 143, 445, 465, 587, 993, 995, 1025, 1194, 1883, 1935, 2222, 2525, 3478, 4190, 4222, 5044,
    5060, 5222, 6432, 6543, 6667, 6697, 8554, 8883, 19132, 25565, 25575, 27015, 51820, 64738
}  # fmt: skip
"""Files, shells, mail (1025 and 2525 in tests), names, poolers, queues, logs, tunnels, chats, calls, games."""

_GRPC = frozenset({4317, *range(50051, 50060)})
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
