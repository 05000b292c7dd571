"""Ports of this machine: whether one is free, and who has it."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from pathlib import Path

from ftl.errors import UsageError


def free_or_raise(port: int) -> None:
    """Make sure that 127.0.0.1:port can be listened on.

    Raises:
        UsageError: It is taken, or this user may not have it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError as error:
            raise _not_free(port, error) from error


def _not_free(port: int, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        holder = _holder(port)
        return UsageError(
            f"port {port} on this machine is taken" + (f" by {holder}" if holder else ""),
            hint="end that program, or choose another local port",
        )
    if error.errno == errno.EACCES:
        return UsageError(f"this user may not listen on port {port}", hint="choose a local port from 1024 on")
    return UsageError(f"port {port} on this machine cannot be used", cause=error.strerror)


def _holder(port: int) -> str:
    """The program that listens on a port, "postgres (pid 812)"; empty where that cannot be seen.

    From /proc (Linux): the socket's inode is in net/tcp, and the process that holds it has it among its fd.
    """
    inodes = _listening(port)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # other users' processes, and those that end meanwhile
            for descriptor in (process / "fd").iterdir():
                if descriptor.readlink().name in inodes:
                    return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _listening(port: int) -> set[str]:
    """The sockets that listen on a port, as fd links name them: "socket:[12345]"."""
    wanted = f":{port:04X}"
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            found |= {f"socket:[{row[9]}]" for row in rows if row[1].endswith(wanted) and row[3] == "0A"}
    return found
