"""What the firewall lets through: the lines of /etc/ftl/firewall.conf, and which of them ufw lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Port = tuple[int, str]
"""A port and its protocol, "tcp" or "udp"."""

WEB: tuple[Port, ...] = ((80, "tcp"), (443, "tcp"), (443, "udp"))

SWARM: tuple[Port, ...] = ((2377, "tcp"), (7946, "tcp"), (7946, "udp"), (4789, "udp"))
"""What the engines of a swarm say to each other (docs.docker.com/engine/swarm/swarm-tutorial, "Open protocols")."""

_HEAD = """\
# What FTL's part of the firewall lets through to this server, beside what `forwards` in a deployed ftl.yaml names.
# A line that you add stays: allow PORT/tcp or allow PORT/udp. To put it in force: ftl-firewall apply
"""
_ALLOW = re.compile(r"allow (\d{1,5})/(tcp|udp)")

# Profiles that the openssh-server package brings to ufw.
_SSH_PROFILES = ("OpenSSH", "SSH")


def wanted(there: bytes | None, ports: Iterable[Port], *, owner: Literal["own", "ufw"]) -> bytes:
    """The file as it should be: what it allows already, and these.

    Args:
        there: The file; None: there is none.
        ports: What must be open.
        owner: Who decides about what is meant for the server itself: FTL's own chain or ufw.
    """
    open_ports = dict.fromkeys((*allowed(there), *ports))
    lines = [f"input {owner}", *(f"allow {number}/{protocol}" for number, protocol in open_ports)]
    return (_HEAD + "\n".join(lines) + "\n").encode()


def allowed(content: bytes | None) -> tuple[Port, ...]:
    """What such a file lets through."""
    matches = map(_ALLOW.fullmatch, (content or b"").decode(errors="replace").splitlines())
    return tuple((int(found[1]), found[2]) for found in matches if found is not None)


def listed(ports: Iterable[Port]) -> str:
    """Ports for people: "22, 80, 443 (tcp), 443 (udp)"."""
    given = tuple(ports)
    kinds = {protocol: [str(port) for port, kind in given if kind == protocol] for protocol in ("tcp", "udp")}
    return ", ".join(f"{', '.join(numbers)} ({kind})" for kind, numbers in kinds.items() if numbers)


def missing_in_ufw(rules: Sequence[str], ports: Iterable[Port]) -> tuple[Port, ...]:
    """The ports that ufw has no rule about.

    One that it has a rule about, whatever it says, is left alone: who allows SSH from one network only means that.

    Args:
        rules: The lines of `ufw show added`.
        ports: What should be open.
    """
    text = "\n".join(rules)
    return tuple(port for port in ports if not _is_named(text, port))


def _is_named(text: str, port: Port) -> bool:
    number, protocol = port
    if number == 22 and any(re.search(rf"\b{profile}\b", text) for profile in _SSH_PROFILES):
        return True
    for line in text.splitlines():
        found = re.search(rf"(?<![\w.:/]){number}(?:/(tcp|udp))?(?![\w.:/])", line)
        if found is None:
            continue
        said = found[1] or next((one for one in ("tcp", "udp") if f"proto {one}" in line), protocol)
        if said == protocol:
            return True
    return False
