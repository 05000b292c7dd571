"""The shell scripts that setup runs on servers: constants that take arguments and stdin."""

from __future__ import annotations

from importlib.resources import files

from ftl.common.programs import program
from ftl.server.facts.reader import facts_script

_OBSERVE = ("keys_file.sh", "engine_pid.sh", "sudo_rules.sh", "sshd.sh", "observe.sh")
_ROOT_SHELL = (
    "root_shell.sh",
    "packages.sh",
    "engine_pid.sh",
    "engine.sh",
    "keys_file.sh",
    "account.sh",
    "swap.sh",
    "sshd.sh",
    "guarded.sh",
    "run_steps.sh",
)


def as_root() -> str:
    """Becomes root and runs another script."""
    return program(__name__, "as_root.sh")


def observe() -> str:
    """Prints facts about the server, as root."""
    return facts_script() + program("ftl.common", "scripts/own_processes.sh") + program(__name__, *_OBSERVE)


def root_shell() -> str:
    """Runs the steps that it reads from stdin."""
    common = program("ftl.common", "scripts/replace_file.sh", "scripts/own_processes.sh")
    return common + program(__name__, *_ROOT_SHELL)


def firewall() -> bytes:
    """The program that is installed as /usr/local/sbin/ftl-firewall."""
    return (files(__name__) / "firewall.sh").read_bytes()


def firewall_unit() -> bytes:
    """The systemd unit that runs ftl-firewall at boot."""
    return (files(__name__) / "ftl-firewall.service").read_bytes()
