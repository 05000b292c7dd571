"""A folder that stands for a server with a watched release; its programs are made up."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from ftl.common.programs import program
from ftl.host.crontab import CronLine, crontab_script, job_script
from ftl.host.watch import JobContainers, ServiceContainers, WatchScript
from ftl.proxy.configuration.prepared import PreparedRoutes
from tests.unit.host.scripts.programs import put_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

DOCKER = """#!/bin/sh
[ "$1" != --host ] || shift 2
case "$*" in
"exec proxy sh -c cd /config/live"*)
    [ ! -e "$HOME/silent" ] || exit
    shift 6
    [ $# = 1 ] || cat "$HOME/live"
    [ -z "$1" ] || cat "$HOME/both"
    echo end
    ;;
"exec -i proxy sh -c"*"sh watch-shop") echo "unpack $(cat)" >>"$HOME/calls" ;;
"exec proxy sh -c RELOAD"*)
    shift 6
    echo "reload $*" >>"$HOME/calls"
    ;;
"exec proxy sh -c FIGURES"*) cat "$HOME/figures" ;;
"exec proxy sh -c SWITCH"*)
    shift 6
    echo "switch $*" >>"$HOME/calls"
    ;;
"exec proxy timeout"*) cat "$HOME/upstreams" ;;
"inspect --type"*)
    shift 5
    for id; do grep "^$id " "$HOME/states"; done
    ;;
'inspect -f {{.Name}} 5a3e') echo /shop.job.same ;;
inspect*) echo 172.30.0.5 ;;
"ps "*label=ftl.role=state) [ -e "$HOME/removed" ] || echo 5t0re ;;
"cp - 5t0re:/ftl/shop") tar -xf - -C "$HOME" ;;
"cp - "*) exit 1 ;; # a stranger's that has the name
ps*) ;;
*) echo "$*" >>"$HOME/calls" ;;
esac
"""

SLEEP = """#!/bin/sh
while [ -e "$HOME/paused" ]; do
    echo >"$HOME/sleeps"
    /bin/sleep 0.05
done
[ "$(cat "$HOME/clock")" -lt 1000000 ] || kill -9 "$PPID"
echo $(($(cat "$HOME/clock") + ${1%.*})) >"$HOME/clock"
"""

DATE = """#!/bin/sh
cat "$HOME/clock"
"""

SCRIPT = WatchScript(
    project="shop",
    release="r2",
    seconds=59.5,
    stop=10,
    drain=30,
    records="/ftl/shop",
    lock="LOCK",
    holder="me@here (watch r2)",
    report='{"before": "r1"',
    containers=(
        ServiceContainers("web", "r1-web", "r2-web", old=("0ld",), new=("e3",), idle=False),
        ServiceContainers("cron", "r1-cron", "r2-cron", old=("1d1e",), new=(), idle=True),
        JobContainers("shop.job.nightly", "shop.job.nightly.new-r2", new="f4", old="a5"),
    ),
)
CRONTAB = """
{ echo "crontab $1 $2 $3 $4"; sed "s/^/line /"; } >>"$HOME/calls"
[ ! -e "$HOME/refused" ]
"""

TEXTS = {
    "ftl-proxy": "proxy",
    program("ftl.proxy", "scripts/request_figures.sh"): "FIGURES",
    program("ftl.proxy", "scripts/switch.sh"): "SWITCH",
    program("ftl.proxy", "scripts/proxy_lock.sh", "scripts/reload.sh"): "RELOAD",
    crontab_script(): CRONTAB,
    job_script(): "JOB",
}
CHANGED = replace(
    SCRIPT,
    containers=(
        *SCRIPT.containers[:2],
        JobContainers("", "shop.job.added.new-r2", new="b6", old=""),
        JobContainers("shop.job.gone", "", new="", old="c7"),
        JobContainers("shop.job.same", "", new="", old="5a3e"),
    ),
    routes=PreparedRoutes("5ba5e", b"back", b"on"),
    crontab=(
        CronLine("shop.job.gone", "*/5 3 * * *", "UTC"),
        CronLine("shop.job.other", "0 4 * * 1", "Europe/Berlin"),
    ),
)
"""A release with other routes and jobs than the one before."""

LIVE = "r2-web\nr2-cron\n"
STATES = "0ld running 0 always always\n1d1e exited 0 no always\ne3 running 0 always always\n"
GOOD = "300\nweb 0 3 200\n"
BAD = "30\nweb 0 3 100\nweb 1 3 20\n"


SYNC = "exec proxy sync -f /config/live"


class WatchedServer:
    """A folder that stands for a server; files in it say what its engine and its proxy answer."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.marks: dict[str, str] = {}
        put_programs(home / "bin", {"docker": DOCKER, "sleep": SLEEP, "date": DATE})
        self.set(
            clock="1000", live=LIVE, figures=GOOD, states=STATES, upstreams="[]", calls="", both="d16e57  -\n"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """A script that a failed test leaves ends at the latest now."""
        self.set(clock="1000000")
        (self.home / "paused").unlink(missing_ok=True)

    def set(self, **files: str) -> None:
        """Write what is answered from now on."""
        for name, text in files.items():
            (self.home / name).write_text(text)

    def watch(
        self,
        then: Callable[[], None] = lambda: None,
        *,
        more: Sequence[str] = (),
        watched: WatchScript = SCRIPT,
    ) -> dict[str, object]:
        """Run the script to its end; `then` is called once it has seen the switch."""
        self.run(then, more=more, watched=watched)
        report = self.home / "r2.watch.json"
        self._wait(lambda: report.exists() and report.read_text().endswith("\n"))  # it is not written at once
        result: dict[str, object] = json.loads(report.read_text())
        return result

    def run(
        self,
        then: Callable[[], None] = lambda: None,
        *,
        more: Sequence[str] = (),
        watched: WatchScript = SCRIPT,
    ) -> None:
        """Start the script, which goes on; `then` is called once it has seen the switch."""
        self.set(paused="")
        script = program("ftl.proxy", "scripts/docker.sh") + program("ftl.locks", "lock_file.sh")
        script += program("ftl.host", "scripts/watch.sh")
        arguments = (TEXTS.get(one, one) for one in watched.arguments())
        stdin = replace(watched, lock=str(self.home)).stdin().decode()
        done = subprocess.run(
            ["sh", "-c", script, "ftl-watch", "/run/docker.sock", *arguments],
            input="".join([stdin, *(f"{line}\n" for line in more)]),
            env={"HOME": str(self.home), **self.marks, "PATH": f"{self.home}/bin:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "watching\n"
        self._wait((self.home / "sleeps").exists)
        then()
        (self.home / "paused").unlink()

    @property
    def calls(self) -> list[str]:
        """What was done to containers, in order; but for the proxy, which syncs its report."""
        return [call for call in self._all_calls() if call != SYNC]

    def wait_for(self, call: str) -> None:
        """Wait until a call was made."""
        self._wait(lambda: call in self._all_calls())

    def synced_first(self) -> bool:
        """Whether the report was synced before anything was switched."""
        calls = self._all_calls()
        return calls.index(SYNC) < next(at for at, call in enumerate(calls) if call.startswith("switch"))

    def _all_calls(self) -> list[str]:
        return (self.home / "calls").read_text().splitlines()

    def _wait(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not reached():
            assert time.monotonic() < deadline, self.calls
            time.sleep(0.05)
