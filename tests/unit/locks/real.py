"""Locks as the scripts of a server take them, on files of this machine."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 20.0
LOCK_FILE = program("ftl.locks", "lock_file.sh")


def sh(script: str, *arguments: str) -> str:
    """Run a script after lock_file.sh; its output."""
    argv = ["sh", "-c", f"{LOCK_FILE}\n{script}", "sh", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.stderr == ""
    return done.stdout.strip()


def lock_file(key: str, socket: str = "") -> Path:
    """The file of a deploy lock."""
    return Path(sh('lock_file "$1" "$2"; echo "$file"', socket, key))


def second_file(key: str, socket: str = "") -> Path:
    """The file of those who go on."""
    return lock_file(f"{key} goes on", socket)


def take_lock(key: str, action: str = "take", socket: str = "") -> str:
    """Take the deploy lock as FTL does, and let it go, or only look; the answer."""
    argv = ["sh", "-c", LOCK_FILE + program("ftl.locks", "lock.sh"), "lock", action, socket, "5"]
    done = subprocess.run(
        argv, input=f"{key}\n\nann\n", capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.stderr == ""
    return done.stdout.strip()


@contextmanager
def has(key: str, taking: str, name: str, socket: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A script that has one of the locks by a function of lock_file.sh, until its input ends."""
    script = f'{LOCK_FILE}\nsocket=$1; {taking} "$2" "$3" && echo taken && cat'
    with subprocess.Popen(
        ["sh", "-c", script, "sh", socket, key, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"taken\n"
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(SECONDS)
