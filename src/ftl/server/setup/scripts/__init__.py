"""The shell scripts that run on servers: constants, whose values come as arguments and by stdin."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_OBSERVE = ("keys_file.sh", "engine_pid.sh", "sudo_rules.sh", "observe.sh")
_HAND = (
    "hand.sh",
    "packages.sh",
    "engine_pid.sh",
    "engine.sh",
    "keys_file.sh",
    "account.sh",
    "swap.sh",
    "guarded.sh",
    "serve.sh",
)


@cache
def as_root() -> str:
    """Becomes root, and then another script."""
    return _read("root.sh")


@cache
def observe() -> str:
    """Says what the server is and has."""
    return "".join(map(_read, _OBSERVE))


@cache
def hand() -> str:
    """Does the steps that it is told."""
    return "".join(map(_read, _HAND))


@cache
def firewall() -> bytes:
    """What stays on the server as /usr/local/sbin/ftl-firewall."""
    return _read("firewall.sh").encode()


@cache
def firewall_unit() -> bytes:
    """The systemd unit that runs it at boot."""
    return _read("ftl-firewall.service").encode()


def _read(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")
