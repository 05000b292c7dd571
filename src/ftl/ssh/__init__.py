"""OpenSSH: the multiplexed connection, commands, forwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.lazy import loader

if TYPE_CHECKING:
    from ftl.ssh.approach import approached, machine_at, machine_of
    from ftl.ssh.dialling import Streams, open_stream
    from ftl.ssh.local import Local
    from ftl.ssh.machine import Machine
    from ftl.ssh.openssh import OpenSSH, arriving, connect
    from ftl.ssh.quoting import command_line
    from ftl.ssh.resolving import resolve, resolve_at_once
    from ftl.ssh.starting import Begun, Way, begin, setting_out
    from ftl.ssh.target import Target, target_of

__all__ = [
    "Begun",
    "Local",
    "Machine",
    "OpenSSH",
    "Streams",
    "Target",
    "Way",
    "approached",
    "arriving",
    "begin",
    "command_line",
    "connect",
    "machine_at",
    "machine_of",
    "open_stream",
    "resolve",
    "resolve_at_once",
    "setting_out",
    "target_of",
]

__getattr__ = loader(
    __name__,
    {
        "Begun": "starting",
        "Local": "local",
        "Machine": "machine",
        "OpenSSH": "openssh",
        "Streams": "dialling",
        "Target": "target",
        "Way": "starting",
        "approached": "approach",
        "arriving": "openssh",
        "begin": "starting",
        "command_line": "quoting",
        "connect": "openssh",
        "machine_at": "approach",
        "machine_of": "approach",
        "open_stream": "dialling",
        "resolve": "resolving",
        "resolve_at_once": "resolving",
        "setting_out": "starting",
        "target_of": "target",
    },
)
