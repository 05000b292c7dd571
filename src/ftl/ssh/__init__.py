"""OpenSSH: the multiplexed connection, commands, forwards."""

from __future__ import annotations

from ftl.ssh.local import Local
from ftl.ssh.machine import Completed, Machine
from ftl.ssh.openssh import OpenSSH, connect
from ftl.ssh.quoting import command_line
from ftl.ssh.target import Target

__all__ = ["Completed", "Local", "Machine", "OpenSSH", "Target", "command_line", "connect"]
