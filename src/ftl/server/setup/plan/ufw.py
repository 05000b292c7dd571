"""ufw's rules about ports, from `ufw show added`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.server.setup.ports import SWARM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftl.server.setup.ports import ServerPort

# Profiles that the openssh-server package installs for ufw.
_SSH_PROFILES = ("OpenSSH", "SSH")

_COMMENT = re.compile(r" comment '.*$")
_SENDER_PORT = re.compile(r"\bfrom \S+ port \S+")

# Rules about forwarded and outgoing traffic.
_NOT_INCOMING = re.compile(r"ufw route\b|ufw \w+ out\b")

# A rule that opens ports to everybody, on every address: "80", "80,443/tcp", "6000:6007,6010/udp".
_OPEN = re.compile(r"ufw (?:allow|limit) (?:in )?([\d:,]+)(?:/(tcp|udp))?")


def missing(rules: Sequence[str], ports: Iterable[ServerPort]) -> tuple[ServerPort, ...]:
    """The ports that no rule mentions.

    A port that a rule mentions, whatever it says, is left alone: allowing it from one network only is a decision.
    """
    incoming = tuple(_incoming(rules))
    return tuple(port for port in ports if not any(_mentions(rule, port) for rule in incoming))


def missing_peers(rules: Sequence[str], peers: Iterable[str]) -> tuple[str, ...]:
    """The servers of a cluster, by address, for which a rule of `ftl setup` is missing."""
    return tuple(
        peer
        for peer in peers
        if not all(any(_is_peer_rule(rule, peer, port) for rule in rules) for port in SWARM)
    )


def peers_with_rules(rules: Sequence[str], peers: Iterable[str]) -> tuple[str, ...]:
    """The servers of a cluster, by address, for which there is a rule of `ftl setup`."""
    return tuple(
        peer for peer in peers if any(_is_peer_rule(rule, peer, port) for rule in rules for port in SWARM)
    )


def _is_peer_rule(rule: str, peer: str, port: ServerPort) -> bool:
    words = _COMMENT.sub("", rule).split()
    return words[:3] == ["ufw", "allow", "from"] and words[3:] == [
        peer,
        *f"to any port {port[0]} proto {port[1]}".split(),
    ]


def opened(rules: Sequence[str], ports: Iterable[ServerPort]) -> tuple[ServerPort, ...]:
    """The ports that ufw opens to everybody, by a rule without any restriction."""
    grants = [match.groups() for match in map(_OPEN.fullmatch, _incoming(rules)) if match is not None]
    return tuple(
        (number, protocol)
        for number, protocol in ports
        if any(granted in (None, protocol) and _contains(numbers, number) for numbers, granted in grants)
    )


def _contains(numbers: str, number: int) -> bool:
    """Whether "80,6000:6007" contains a number."""
    spans = (span.partition(":") for span in numbers.split(",") if span)
    return any(int(first) <= number <= int(last or first) for first, _, last in spans if first)


def _incoming(rules: Sequence[str]) -> Iterator[str]:
    """The rules about incoming traffic, without their comments and without the sender's ports."""
    for rule in rules:
        plain = _SENDER_PORT.sub("", _COMMENT.sub("", rule)).strip()
        if not _NOT_INCOMING.match(plain):
            yield plain


def _mentions(rule: str, port: ServerPort) -> bool:
    number, protocol = port
    if number == 22 and any(re.search(rf"\b{profile}\b", rule) for profile in _SSH_PROFILES):
        return True
    match = re.search(rf"(?<![\w.:/]){number}(?:/(tcp|udp))?(?![\w.:/])", rule)
    if match is None:
        return False
    in_rule = match[1] or next((name for name in ("tcp", "udp") if f"proto {name}" in rule), protocol)
    return in_rule == protocol
