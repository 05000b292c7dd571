"""Ports of this machine: which program has one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"  # TCP_LISTEN in /proc/net/tcp (Linux, include/net/tcp_states.h)


def holder(port: int) -> str:
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
            found |= {f"socket:[{row[9]}]" for row in rows if row[1].endswith(wanted) and row[3] == _LISTENS}
    return found
