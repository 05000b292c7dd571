"""Whether an engine runs beside us, so that its loopback is ours.

A push to 127.0.0.1 from an engine in a virtual machine, in another container or behind a forwarded socket goes
to whoever listens on that port *there*, and takes the image along. So the engine must be known to be here before
it is asked to: the kernel says which process made the socket that answers us.
"""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path

_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))

_SECONDS = 1.0

_ENGINES = {"dockerd", "systemd", "init"}
"""The engine itself, or who made its socket for it. Not among them: a rootless engine's helper (it has a loopback
of its own), ssh, and the programs that lead to a virtual machine."""


def runs_on_this_host(url: str) -> bool:
    """Whether the engine at this URL is a process of this machine, with our loopback. Blocking, for milliseconds."""
    if sys.platform != "linux" or not url.startswith("unix://"):
        return False
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(_SECONDS)
            made.connect(url.removeprefix("unix://"))
            process, user, _ = _PEER.unpack(
                made.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            )
        # Process 0 is one that cannot be seen from here: outside of our container.
        return bool(process) and user == 0 and Path(f"/proc/{process}/comm").read_text().strip() in _ENGINES
    except OSError:
        return False
