"""The processes of a connection, begun without an event loop: so ssh is on its way while the rest is still loaded.

The one ssh process that holds the connection runs in the foreground as our child, and its remote command is a `cat`
that reads our pipe. Beside it a second child, the reaper, reads another pipe of ours: when that ends, because we close
it or because we are gone, however we went (kill -9 included), it asks ssh to exit and removes the folder with the
sockets. So one mechanism serves for the orderly end and for the other. An ssh that the server has not let in yet cannot
be asked: that gets a signal, or ends with its `cat` once it has been let in.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING

from ftl.ssh import survey, target
from ftl.ssh.configuration import resolve_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config import Server

# A unix socket's path ends at 104 bytes on macOS, and ssh appends 17 to it while it binds.
_LONGEST_FOLDER = 60

_SOCKET = "master"

# Ctrl-C reaches every process of the terminal; what is under way on the server is still to be undone over this
# connection. ssh leaves signals ignored that it finds ignored.
_DEAF = 'trap "" INT HUP; exec "$@"'

_REAPER = 'trap "" INT HUP TERM; cat >/dev/null; ssh -F /dev/null -S "$1" -O exit -- ftl; rm -rf -- "$2"'


@dataclass(frozen=True, slots=True)
class Begun:
    """A connection that is coming, for `arriving`.

    Attributes:
        server: Whither.
        resolved: What ssh's configuration makes of it.
        interactive: Whether ssh may ask on the terminal.
        folder: For sockets.
        reaper: Ends it all when its stdin is closed.
        master: The ssh process.
    """

    server: target.Target
    resolved: target.Resolved
    interactive: bool
    folder: Path
    reaper: Popen[bytes]
    master: Popen[bytes]

    @property
    def socket(self) -> Path:
        """Where ssh can be asked for more, from the moment when the server has let us in."""
        return self.folder / _SOCKET

    def leave(self) -> None:
        """Have it end, and wait for nothing. More than once is no error."""
        assert self.reaper.stdin is not None
        self.reaper.stdin.close()
        if not self.socket.exists():  # it never came so far that it could be asked, or it has ended
            self.master.terminate()


@dataclass(frozen=True, slots=True)
class Way:
    """A project's server, and the connection to it that is coming; None where there is none to be made."""

    server: Server
    begun: Begun | None


@contextmanager
def setting_out(server: Server) -> Iterator[Way]:
    """Begin to connect to a project's server. What nobody has taken by the end of the block, ends then.

    Raises:
        ServerError: There is no ssh here, or its configuration is not as it should be.
    """
    begun = None
    if not server.is_local:
        towards = target.target_of(server)
        begun = begin(towards, resolve_at_once(towards), interactive=has_terminal())
    try:
        yield Way(server, begun)
    finally:
        if begun is not None:
            begun.leave()


def has_terminal() -> bool:
    """Whether somebody can be asked for a passphrase."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def begin(server: target.Target, resolved: target.Resolved, *, interactive: bool) -> Begun:
    """Start the processes; takes a few milliseconds.

    Args:
        server: Which one, and as whom.
        resolved: What ssh's configuration makes of it.
        interactive: Whether ssh may ask for a passphrase or confirmation on the terminal.
    """
    folder = _private_folder()
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        reaper = Popen(
            ("sh", "-c", _REAPER, "ftl-reaper", str(folder / _SOCKET), str(folder)),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
        undo.callback(reaper.communicate)
        options = target.master(server, resolved, folder / _SOCKET, interactive=interactive)
        master = Popen(
            ("sh", "-c", _DEAF, "sh", "ssh", *options, "--", server.address, survey.GREETING),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=not interactive,
        )
        undo.pop_all()
    return Begun(server, resolved, interactive, folder, reaper, master)


def _private_folder() -> Path:
    """A new folder, 0700, short enough for sockets."""
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="ftl-", dir=usual if len(usual) <= _LONGEST_FOLDER else "/tmp"))  # noqa: S108
