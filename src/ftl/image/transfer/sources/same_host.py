"""Decide whether an engine runs on this host, with the same loopback interface.

A push to 127.0.0.1 from an engine in a virtual machine, in another container or behind a forwarded socket goes
to whatever listens on that port *there*, with the image. So the engine must be known to be local before it is
asked to push: the kernel reports which process created the socket that answers.
"""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path

_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))

_SECONDS = 1.0

_ENGINES = {"dockerd", "systemd", "init"}
"""The engine itself, or the process that made its socket for it.

Not among them: a rootless engine's helper (it has a separate loopback), ssh, and the programs that lead to a virtual
machine.
"""


def runs_on_this_host(url: str) -> bool:
    """Whether an engine is a local process that shares our loopback; blocking, for milliseconds."""
    if sys.platform != "linux" or not url.startswith("unix://"):
        return False
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(url.removeprefix("unix://"))
            process, user, _ = _PEER.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            )
        # Process 0 is one that cannot be seen from here: outside of our container.
        return bool(process) and user == 0 and Path(f"/proc/{process}/comm").read_text().strip() in _ENGINES
    except OSError:
        return False
