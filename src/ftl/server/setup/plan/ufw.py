"""What the rules of ufw say of ports, as `ufw show added` prints them: "ufw allow from 10.0.0.0/8 to any port 53"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftl.server.setup.ports import Port

# Profiles that the openssh-server package brings to ufw.
_SSH_PROFILES = ("OpenSSH", "SSH")

_COMMENT = re.compile(r" comment '.*$")
_SENDER_PORT = re.compile(r"\bfrom \S+ port \S+")

# What passes through, and what leaves: not about what comes to the server.
_ELSEWHERE = re.compile(r"ufw route\b|ufw \w+ out\b")

# A rule that opens ports to everybody, on every address: "80", "80,443/tcp", "6000:6007,6010/udp".
_OPEN = re.compile(r"ufw (?:allow|limit) (?:in )?([\d:,]+)(?:/(tcp|udp))?")


def missing(rules: Sequence[str], ports: Iterable[Port]) -> tuple[Port, ...]:
    """The ports that ufw has no rule about.

    One that it has a rule about, whatever it says, is left alone: who allows a port from one network only means that.

    Args:
        rules: The lines of `ufw show added`.
        ports: What should be open.
    """
    incoming = tuple(_incoming(rules))
    return tuple(port for port in ports if not any(_is_about(rule, port) for rule in incoming))


def opened(rules: Sequence[str], ports: Iterable[Port]) -> tuple[Port, ...]:
    """The ports that ufw opens to everybody, by a rule that says just that.

    Args:
        rules: The lines of `ufw show added`.
        ports: Those in question.
    """
    rights = [found.groups() for found in map(_OPEN.fullmatch, _incoming(rules)) if found is not None]
    return tuple(
        (number, protocol)
        for number, protocol in ports
        if any(said in (None, protocol) and _holds(numbers, number) for numbers, said in rights)
    )


def _holds(numbers: str, number: int) -> bool:
    """Whether "80,6000:6007" has a number in it."""
    spans = (span.partition(":") for span in numbers.split(",") if span)
    return any(int(first) <= number <= int(last or first) for first, _, last in spans if first)


def _incoming(rules: Sequence[str]) -> Iterator[str]:
    """The rules about what comes to the server, without their comments and without the ports of who sends it."""
    for rule in rules:
        plain = _SENDER_PORT.sub("", _COMMENT.sub("", rule)).strip()
        if not _ELSEWHERE.match(plain):
            yield plain


def _is_about(rule: str, port: Port) -> bool:
    number, protocol = port
    if number == 22 and any(re.search(rf"\b{profile}\b", rule) for profile in _SSH_PROFILES):
        return True
    found = re.search(rf"(?<![\w.:/]){number}(?:/(tcp|udp))?(?![\w.:/])", rule)
    if found is None:
        return False
    said = found[1] or next((one for one in ("tcp", "udp") if f"proto {one}" in rule), protocol)
    return said == protocol
