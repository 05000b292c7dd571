"""A folder that stands for a server with a preview, with fake programs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from typing import TYPE_CHECKING

from ftl.host import crontab
from ftl.host.crontab import CronLine
from ftl.releases.preview import Preview
from tests.support.fake_machine import FakeMachine
from tests.unit.host.scripts.programs import put_programs

if TYPE_CHECKING:
    from pathlib import Path

DOCKER = """#!/bin/sh
[ "$1" != --host ] || shift 2
case "$*" in
info*)
    [ ! -e "$HOME/extended" ] || mv "$HOME/extended" "$HOME/ftl/shop-pr-7/preview.json"
    echo "$HOME"
    exit
    ;;
"ps "*role=state) [ ! -e "$HOME/store" ] || echo 5t0re; exit ;;
"volume inspect"*) cat "$HOME/role"; exit ;;
"inspect --type container"*) exit ;;
"inspect -f {{.State.Running}}"*) cat "$HOME/running"; exit ;;
"inspect -f {{.Image}} {{range"*) echo "sha256:db $HOME/backups/shop-pr-7"; exit ;;
"inspect -f"*) echo caddy; exit ;;
"cp 5t0re:/ftl/"*)
    file=$HOME${2#*:}
    [ ! -e "$HOME/hangs" ] || exec sleep 100
    [ -e "$file" ] || { echo "Error response from daemon: Could not find the file ${2#*:} in container" >&2; exit 1; }
    tar -C "${file%/*}" -cf - "${file##*/}" 2>/dev/null
    exit
    ;;
"ps "*role=job*) cat "$HOME/jobs"; exit ;;
"ps "*role=service*) cat "$HOME/services"; exit ;;
"ps "*label=ftl.role*) cat "$HOME/others"; exit ;;
"ps "*label=ftl.project*) cat "$HOME/others"; echo byhand; exit ;; # one that inherits the label of its image
"ps -aq --filter ancestor=sha256:used") echo byhand; exit ;;
"ps "*) exit ;;
"network ls"*) echo n1; exit ;;
"volume ls"*) cat "$HOME/volumes"; exit ;;
"images -q"*) echo sha256:untagged; exit ;;
"images --no-trunc"*) cat "$HOME/pulled"; exit ;;
images*) cat "$HOME/tags"; exit ;;
"image inspect"*) cat "$HOME/digests"; exit ;;
"create --name ftl-state"*) echo >"$HOME/store" ;;
esac
echo "$*" | head -n 1 >>"$HOME/calls"
case "$*" in
"exec ftl-proxy sh -c"* | *"--volumes-from ftl-proxy"*)
    while [ "$1" != -c ]; do shift; done
    sh -c "$(echo "$2" | sed "s#/config#$HOME/config#g")" ftl "$4"
    ;;
*"--volumes-from 5t0re"*)
    while [ "$1" != -c ]; do shift; done
    sh -c "$2" ftl "$HOME/ftl" "$5" "$6"
    ;;
*:/backups*)
    while [ "$1" != -c ]; do shift; done
    sh -c "$(echo "$2" | sed "s#/backups#$HOME/backups#g")" sh "$4"
    ;;
"volume rm"*) [ ! -e "$HOME/busy" ] ;;
esac
"""

CRONTAB = """#!/bin/sh
if [ "$1" = -l ]; then cat "$HOME/crontab"; else cat >"$HOME/crontab.new"; mv "$HOME/crontab.new" "$HOME/crontab"; fi
"""

TAGS = ["web:r1", "db:c0123456789ab", "web:latest", "web:mine"]

PROJECT = "shop-pr-7"

KEPT = ["MAILTO=me", "1 2 * * * x # ftl my-shop-pr-7", "*/5 * * * * y # ftl-preview shop-pr-77"]


class Server:
    """A folder that stands for a server with one preview."""

    def __init__(self, home: Path) -> None:
        self.home = home
        put_programs(home / "bin", {"docker": DOCKER, "crontab": CRONTAB})
        for folder in (".ftl", "config/ftl/sites", "config/ftl/copies", "config/live", f"ftl/{PROJECT}"):
            (home / folder).mkdir(parents=True)
        for project in (PROJECT, "shop"):
            for file in (f"ftl/sites/{project}.json", f"ftl/copies/{project}.json", f"live/{project}.web"):
                (home / "config" / file).write_text("")
        for file in ("r1.json", "r1.watch.json", "history.jsonl", "hold.json"):
            (home / "ftl" / PROJECT / file).write_text("secret")
        (home / "ftl" / PROJECT / "audit.jsonl").write_text(
            '{"time": 1, "by": "me@here", "command": "deploy", "release": "r1", "outcome": "done"}\n'
        )
        self.set(
            tags="mine/web:1\n" + "".join(f"{PROJECT}-{tag}\n" for tag in TAGS),
            store="",
            role="state\n",
            running="true\n",
            services="web1\nhook2\n",
            others="db3\n",
            jobs="",
            pulled="",
            digests="",
            volumes="data\n",
            calls="",
        )
        self.env = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "USER": "ftl"}
        (home / "crontab").write_text("".join(f"{line}\n" for line in KEPT))
        self.schedule()

    def set(self, **files: str) -> None:
        """Write what the engine answers from now on."""
        for name, text in files.items():
            (self.home / name).write_text(text)

    def ends(self, seconds: float) -> None:
        """Have the preview end in so many seconds."""
        preview = Preview(int(time.time() + seconds), 0.0, "pr-7", "shop", url='"until": 1', by="me@here")
        (self.home / "ftl" / PROJECT / "preview.json").write_bytes(preview.to_json())

    def store(self, name: str, content: bytes, modified: float) -> None:
        """Put a file among the release records."""
        path = self.home / "ftl" / PROJECT / name
        path.write_bytes(content)
        os.utime(path, (modified, modified))

    def schedule(self) -> None:
        """Write the lines of a deploy."""
        machine = FakeMachine()
        places = ("ftl-proxy", "ftl-state", "/ftl")
        asyncio.run(crontab.write_expiry(machine, PROJECT, places))
        asyncio.run(crontab.write(machine, PROJECT, [CronLine("j", "1 2 * * *", "UTC")]))
        for argv, stdin in zip(machine.commands, machine.inputs, strict=True):
            subprocess.run(argv, input=stdin, env=self.env, check=True)

    def wake(self) -> None:
        """Run the command of the preview's line, as cron does."""
        line = next(line for line in self.crontab if line.endswith(f"# ftl-preview {PROJECT}"))
        command = line.removeprefix(f"{crontab.EXPIRY} ")
        subprocess.run(["sh", "-c", command], env=self.env, check=False, timeout=60)

    @property
    def crontab(self) -> list[str]:
        """Its lines."""
        return (self.home / "crontab").read_text().splitlines()

    @property
    def calls(self) -> list[str]:
        """What was changed by the engine, in order."""
        return (self.home / "calls").read_text().splitlines()
