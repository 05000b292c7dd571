"""OpenSSH: the multiplexed connection, commands, forwards."""

from __future__ import annotations

from ftl.child import Completed
from ftl.ssh.approach import approached, machine_of
from ftl.ssh.dialling import Streams, open_stream
from ftl.ssh.local import Local
from ftl.ssh.machine import Machine
from ftl.ssh.openssh import OpenSSH, connect
from ftl.ssh.quoting import command_line
from ftl.ssh.resolving import resolve
from ftl.ssh.target import Target, target_of

__all__ = [
    "Completed",
    "Local",
    "Machine",
    "OpenSSH",
    "Streams",
    "Target",
    "approached",
    "command_line",
    "connect",
    "machine_of",
    "open_stream",
    "resolve",
    "target_of",
]
