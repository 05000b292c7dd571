"""The shell scripts that setup runs on servers: constants that take arguments and stdin."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ftl.server.facts.reader import facts_script

_OBSERVE = ("keys_file.sh", "engine_pid.sh", "sudo_rules.sh", "observe.sh")
_ROOT_SHELL = (
    "root_shell.sh",
    "packages.sh",
    "engine_pid.sh",
    "engine.sh",
    "keys_file.sh",
    "account.sh",
    "swap.sh",
    "guarded.sh",
    "run_steps.sh",
)


@cache
def as_root() -> str:
    """Becomes root and runs another script."""
    return _read("as_root.sh")


@cache
def observe() -> str:
    """Prints facts about the server, as root."""
    return facts_script() + "".join(map(_read, _OBSERVE))


@cache
def root_shell() -> str:
    """Runs the steps that it reads from stdin."""
    return "".join(map(_read, _ROOT_SHELL))


@cache
def firewall() -> bytes:
    """The program that is installed as /usr/local/sbin/ftl-firewall."""
    return _read("firewall.sh").encode()


@cache
def firewall_unit() -> bytes:
    """The systemd unit that runs ftl-firewall at boot."""
    return _read("ftl-firewall.service").encode()


def _read(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")
