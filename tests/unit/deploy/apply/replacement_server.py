"""A server for the script that replaces containers: its docker command is a folder of files."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.programs import program
from ftl.deploy.apply.replacement_script import Incoming, Outgoing, Replacement, ReplacementScript
from ftl.deploy.plan.replacements import Proof
from ftl.locks.script_lines import ScriptLock
from ftl.ssh.local import Local
from tests.unit.host.scripts.programs import put_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

# A container is a folder: its status, restart policy, name, and "broken" or "deaf" where it does not start or stop;
# with "crash" its stop ends the engine for a moment. As with the real command,
# an inspect that fails prints an empty line.
DOCKER = """#!/bin/sh
[ "$1" != --host ] || shift 2
cd "$FAKE/containers" || exit 1
[ ! -e "$FAKE/unreadable" ] || [ "$1" != cp ] || exit 1
[ ! -e "$FAKE/down" ] || { [ "$1" != inspect ] || echo; exit 1; }
of() { cat "$1/$2" 2>/dev/null || { echo; echo "No such container: $1" >&2; exit 1; }; }
case "$*" in
"inspect --type container -f {{.State.Running}} "*)
    case $(of "$6" status) in running) echo true ;; '') echo; exit 1 ;; *) echo false ;; esac
    ;;
"inspect -f {{.State.Status}} "*) of "$4" status ;;
"inspect -f {{.HostConfig.RestartPolicy.Name}} "*) of "$4" policy ;;
inspect*) of "$4" status >/dev/null && echo always || { echo; exit 1; } ;;
"ps -aq"*) echo state ;;
ps*) ;;
"cp "*)
    path=$FAKE/${2%%:*}${2#*:}
    [ -e "$path" ] || { echo "Could not find the file" >&2; exit 1; }
    tar -C "${path%/*}" -cf - "${path##*/}"
    ;;
*)
    echo "$*" >>"$FAKE/calls"
    case $1 in
    stop)
        if [ -e "$4/crash" ]; then
            rm "$4/crash"
            touch "$FAKE/down"
            { sleep 0.5; rm "$FAKE/down"; } >/dev/null 2>&1 &
            exit 1
        fi
        while [ -e "$4/waits" ]; do sleep 0.05; done
        [ -e "$4/deaf" ] || { sleep "$(cat "$4/slow" 2>/dev/null || echo 0)"; echo exited >"$4/status"; } ;;
    start)
        [ ! -e "$2/broken" ] || { echo "no such device" >&2; exit 1; }
        echo running >"$2/status"
        ;;
    kill) echo exited >"$2/status" ;;
    update) echo "$3" >"$4/policy" ;;
    rename) echo "$3" >"$2/name" ;;
    esac
    ;;
esac
"""

# Thirty attempts, a second apart, take no time.
SLEEP = """#!/bin/sh
export PATH="${PATH#*:}"
[ "$1" != 1 ] || set -- 0.02
exec sleep "$1"
"""

REPLACEMENT = Replacement(
    "db", (Outgoing("0ld", 3, name="db", parked="db-old"),), (Incoming("4e3", 3, name="db", fresh="db-new"),)
)
NONE = Proof()
KEY = f"key of {os.getpid()}"
HOLDER = "the server (takes back the rollback of ann@laptop)"
BEFORE = ("running always db", "created no db-new")
AFTER = ("exited no db-old", "running always db")
TAKEN_BACK = ("running always db", "exited no db-new")


class Server:
    """A folder that stands for a server with two containers."""

    def __init__(self, home: Path) -> None:
        self.home = home
        put_programs(home / "bin", {"docker": DOCKER, "sleep": SLEEP})
        for number, words in (("0ld", BEFORE[0]), ("4e3", BEFORE[1])):
            for file, word in zip(("status", "policy", "name"), words.split(), strict=True):
                self.set(f"containers/{number}/{file}", word)

    def set(self, file: str, text: str = "") -> None:
        """Write a file."""
        path = self.home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    @property
    def state(self) -> tuple[str, ...]:
        """Status, restart policy and name of the old container and the new one."""
        folders = (self.home / "containers" / number for number in ("0ld", "4e3"))
        return tuple(
            " ".join((folder / file).read_text().strip() for file in ("status", "policy", "name"))
            for folder in folders
        )

    @property
    def calls(self) -> list[str]:
        """Commands that changed something."""
        return (self.home / "calls").read_text().splitlines()

    @property
    def lock(self) -> Path:
        """The lock file, which exists."""
        return self._lock(KEY)

    @property
    def replacing(self) -> Path:
        """The file that the script has locked, which exists."""
        return self._lock(f"{KEY} goes on")

    @staticmethod
    def _lock(key: str) -> Path:
        text = program("ftl.locks", "lock_file.sh")
        script = f'{text}\nlock_file "" "{key}"\nexists "$file" || create "$file" 660\necho "$file"'
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        return Path(done.stdout.strip())

    def take_lock(self) -> str:
        """Take the deploy lock as FTL does, and let it go; the answer."""
        argv = [
            "sh",
            "-c",
            program("ftl.locks", "lock_file.sh", "lock.sh"),
            "lock",
            "take",
            "",
            "5",
        ]
        done = subprocess.run(
            argv, input=f"{KEY}\nshop\nann\n", capture_output=True, text=True, check=False, timeout=20
        )
        return done.stdout.strip()

    def close(self) -> None:
        """Remove the lock files."""
        self.lock.unlink()
        self.replacing.unlink()

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """Hold the deploy lock; yields its release."""
        with self.lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield lambda: fcntl.flock(file, fcntl.LOCK_UN)


def run(
    work: Callable[[ReplacementScript], Coroutine[None, None, None]],
    proof: Proof = NONE,
    key: str = KEY,
    *,
    then: Callable[[], None] = lambda: None,
) -> None:
    """Do something with a script, close its input, as a kill of FTL does, and wait for its end after `then`."""

    async def opened() -> None:
        machine = Local()
        script = await ReplacementScript.open(machine, ScriptLock(key, HOLDER), proof)
        assert script is not None
        (process,) = machine._children
        await work(script)
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.to_thread(then)
        async with asyncio.timeout(30):
            await process.wait()
        await asyncio.sleep(0.1)

    asyncio.run(opened())


async def replaced(script: ReplacementScript) -> None:
    """Replace the container; the end of the input then tells that FTL is gone."""
    await script.replace(script.begin(REPLACEMENT))
