"""The end of a connection, however we end: a shell that waits for our end, and does what we have not done.

It reads a pipe of ours. Closing the pipe is the orderly end; our death, `kill -9` included, closes it too. (A
parent-death signal exists on Linux only, and does not reach through ssh's own children.) Then a connection of our own
is ended, on a kept one our forwards are cancelled, and our folder is removed; what we have done ourselves it finds
done. Last it kills its process group, in which our other ssh processes are.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.child import finish

if TYPE_CHECKING:
    from ftl.ssh.kept import Place

FORWARDS = "forwards"
"""The file in our folder with the forwards to cancel, a line each: what `ssh -L` takes."""

_SCRIPT = """
trap "" INT HUP TERM
cat >/dev/null
if [ -d "$2" ]; then
    case $3 in
    own) ssh -F /dev/null -S "$1" -O exit -- ftl ;;
    kept)
        folder=$2
        set -- "$1"
        while read -r forward; do set -- "$@" -L "$forward"; done <"$folder/forwards"
        socket=$1
        shift
        [ $# = 0 ] || ssh -F /dev/null -S "$socket" -O cancel "$@" -- ftl
        set -- "$socket" "$folder"
        ;;
    esac
    rm -rf -- "$2"
fi
kill -s KILL -- "-$$"
"""


async def start(place: Place) -> Process:
    """Start the reaper of a connection; it leads a process group of its own."""
    how = "kept" if place.shared else "own"
    return await asyncio.create_subprocess_exec(
        *("sh", "-c", _SCRIPT, "ftl-reaper", str(place.socket), str(place.folder), how),
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=DEVNULL,
        process_group=0,
    )


async def release(reaper: Process) -> None:
    """Have it do its work, and wait for that; bounded."""
    assert reaper.stdin is not None
    reaper.stdin.close()
    await finish(reaper)
    with suppress(ProcessLookupError):
        os.killpg(reaper.pid, signal.SIGKILL)
