"""/etc/ftl/firewall.conf: the ports that FTL's firewall opens, or leaves to other rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from ftl.server.setup.ports import SWARM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.server.setup.ports import ServerPort

_HEAD = """\
# The ports that FTL's firewall lets through to this server, besides the `forwards` of a deployed ftl.yaml.
# allow PORT/tcp or allow PORT/udp opens a port to everybody; leave PORT/tcp (SSH) leaves it to the other rules;
# peer ADDRESS PROJECT opens the ports of Swarm mode to another server of the project.
# Lines that you add are kept. To apply them: ftl-firewall apply
"""
_PEER = re.compile(r"peer ([0-9A-Fa-f.:]+) (\S+)")
_LINE = re.compile(r"(allow|leave) (\d{1,5})/(tcp|udp)")


def firewall_conf(
    current: bytes | None,
    open_ports: Iterable[ServerPort],
    *,
    left: Iterable[ServerPort] = (),
    owner: Literal["own", "ufw"],
    peers: Iterable[tuple[str, str]] = (),
    own_swarm: bool = False,
) -> bytes:
    """The desired file: the ports of the current one, and these.

    Ports that are `left` to the other rules are so unless they are open to everybody. The `owner` decides about
    traffic to the server itself: FTL's own chain or ufw. `peers` are addresses of other servers, with the project that
    they are of: where there are any, or the Swarm is FTL's (`own_swarm`), the ports of Swarm mode are open to them and
    nobody else.
    """
    allow = dict.fromkeys((*allowed(current), *open_ports))
    between = sorted(set(peers))  # the same for each project that runs setup
    closed = SWARM if between or own_swarm else ()
    kept = (port for port in (*left_alone(current), *left) if port not in closed)
    leave = dict.fromkeys(port for port in kept if port not in allow)
    lines = [f"input {owner}"]
    lines += [f"leave {number}/{protocol}" for number, protocol in leave]
    lines += [f"allow {number}/{protocol}" for number, protocol in allow]
    lines += [f"peer {address} {project}" for address, project in between]
    return (_HEAD + "\n".join(lines) + "\n").encode()


def allowed(content: bytes | None) -> tuple[ServerPort, ...]:
    """The ports that a file opens to everybody."""
    return _ports("allow", content)


def left_alone(content: bytes | None) -> tuple[ServerPort, ...]:
    """The ports that a file leaves to the server's other rules."""
    return _ports("leave", content)


def peers(content: bytes | None) -> tuple[tuple[str, str], ...]:
    """The other servers that a file opens Swarm mode's ports to, each with its project."""
    matches = map(_PEER.fullmatch, (content or b"").decode(errors="replace").splitlines())
    return tuple((match[1], match[2]) for match in matches if match is not None)


def _ports(verb: str, content: bytes | None) -> tuple[ServerPort, ...]:
    matches = map(_LINE.fullmatch, (content or b"").decode(errors="replace").splitlines())
    return tuple((int(match[2]), match[3]) for match in matches if match is not None and match[1] == verb)
