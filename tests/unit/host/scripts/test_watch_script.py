"""The script that watches a release on the server, on fake programs and a clock of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.common.programs import program
from ftl.host.crontab import CronLine, crontab_script, job_script
from ftl.host.watch import JobContainers, ServiceContainers, WatchScript
from ftl.proxy.configuration.prepared import PreparedRoutes
from ftl.proxy.names import ADMIN
from tests.unit.host.scripts.programs import put_programs
from tests.unit.locks.real import has, take_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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
"ps "*label=ftl.role=state) echo 5t0re ;;
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


class Server:
    """A folder that stands for a server; files in it say what its engine and its proxy answer."""

    def __init__(self, home: Path) -> None:
        self.home = home
        put_programs(home / "bin", {"docker": DOCKER, "sleep": SLEEP, "date": DATE})
        self.set(
            clock="1000", live=LIVE, figures=GOOD, states=STATES, upstreams="[]", calls="", both="d16e57  -\n"
        )

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
        self.set(paused="")
        script = program("ftl.proxy", "scripts/docker.sh") + program("ftl.locks", "lock_file.sh")
        script += program("ftl.host", "scripts/watch.sh")
        arguments = (TEXTS.get(one, one) for one in watched.arguments())
        stdin = replace(watched, lock=str(self.home)).stdin().decode()
        done = subprocess.run(
            ["sh", "-c", script, "ftl-watch", "/run/docker.sock", *arguments],
            input="".join([stdin, *(f"{line}\n" for line in more)]),
            env={"HOME": str(self.home), "PATH": f"{self.home}/bin:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "watching\n"
        self._wait((self.home / "sleeps").exists)
        then()
        (self.home / "paused").unlink()
        report = self.home / "r2.watch.json"
        self._wait(lambda: report.exists() and report.read_text().endswith("\n"))  # it is not written at once
        result: dict[str, object] = json.loads(report.read_text())
        return result

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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server whose release r2 has been switched to; a script that a failed test leaves ends at the latest now."""
    server = Server(tmp_path)
    yield server
    server.set(clock="1000000")
    (tmp_path / "paused").unlink(missing_ok=True)


def test_a_release_that_answers_with_errors_is_taken_back(server: Server) -> None:
    """Requests go to the old containers, those that were stopped run again, and the new ones are stopped."""
    result = server.watch(then=lambda: server.set(figures=BAD))
    assert result["outcome"] == "switched_back", result
    assert result["before"] == "r1"
    assert result["reason"] == "web answered 20 of 120 requests with 5xx (16 %, 0 % before)"
    server.wait_for("stop -t 10 e3")
    assert server.synced_first(), "the report is on the disk before requests go elsewhere"
    assert server.calls == [
        "update --restart always 1d1e",
        "start 1d1e",
        "switch shop.web=r1-web shop.cron=r1-cron",
        "rename f4 shop.job.nightly.new-r2",
        "rename a5 shop.job.nightly",
        "update --restart no e3",
        "stop -t 10 e3",
    ]


def test_a_watch_takes_no_lock_from_what_goes_on_without_ftl(server: Server) -> None:
    """The lock of a deploy that was killed is free; its script needs that to take back what it has stopped."""
    key = str(server.home)

    def then() -> None:
        with has(key, "keep_lock", "the server (takes back the deploy of ann)", "/run/docker.sock"):
            server.set(figures=BAD)
            (server.home / "paused").unlink()
            time.sleep(1)
            assert server.calls == []
            (server.home / "paused").touch()
            assert take_lock(key, socket="/run/docker.sock").startswith("goes-on the server (takes back")

    assert server.watch(then=then)["outcome"] == "switched_back"


def test_errors_that_were_there_before_are_no_reason(server: Server) -> None:
    """A site that answered one in ten with an error may go on so: the watch passes, and the old containers go."""
    server.set(figures="300\nweb 0 3 90\nweb 1 3 10\n")
    result = server.watch(then=lambda: server.set(figures=BAD))
    assert result["outcome"] == "passed"
    assert server.calls == ["stop -t 10 0ld", "rm --force --volumes 0ld 1d1e"]


def test_few_errors_and_errors_of_others_are_no_reason(server: Server) -> None:
    """Less than five failed requests say nothing, and other services are not watched."""
    result = server.watch(then=lambda: server.set(figures="30\nweb 1 3 4\nadmin 1 3 90\n"))
    assert result["outcome"] == "passed"


def test_the_reason_names_the_services_whose_containers_fail(server: Server) -> None:
    """Of two services, those whose new containers were restarted; one that goes on is not named."""
    lines = [
        "service worker r1-worker r2-worker",
        "new f0",
        "new f1",
        "service idle r1-idle r2-idle",
        "new aa",
    ]
    more = "f0 running 1 always always\nf1 running 0 always always\naa running 4 always always\n"
    server.set(states=STATES + more, live=f"{LIVE}r2-worker\nr2-idle\n")
    changed = STATES.replace("e3 running 0", "e3 running 1") + more.replace("f1 running 0", "f1 running 2")
    result = server.watch(then=lambda: server.set(states=changed), more=lines)
    assert result["reason"] == "containers of web, worker were restarted 3 times"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("e3 restarting 3 always always", "containers of web were restarted 3 times"),
        ("e3 exited 0 always always", "containers of web exited"),
    ],
)
def test_containers_that_exit_are_a_reason(server: Server, state: str, reason: str) -> None:
    """A release that exits is taken back without any request."""
    changed = STATES.replace("e3 running 0 always always", state)
    result = server.watch(then=lambda: server.set(states=changed))
    assert (result["outcome"], result["reason"]) == ("switched_back", reason)


@pytest.mark.parametrize(
    "change",
    [
        {"live": LIVE.replace("r2-web", "r3-web")},
        {"states": STATES.replace("0ld running 0 always always\n", "")},
        {"states": STATES.replace("e3 running 0 always", "e3 exited 0 no")},
        {"states": STATES.replace("0ld running", "0ld exited")},
    ],
    ids=["switched", "removed", "stopped", "old-stopped"],
)
def test_another_operation_ends_it(server: Server, change: dict[str, str]) -> None:
    """Whatever the release does, nothing is changed after another operation."""
    result = server.watch(then=lambda: server.set(figures=BAD, **change))
    assert result["outcome"] == "ended"
    assert server.calls == []


def test_a_proxy_that_does_not_answer_changes_nothing(server: Server) -> None:
    """During an upgrade of the proxy nothing is known; the watch goes on afterwards."""

    def silence() -> None:
        server.set(silent="")
        time.sleep(1)
        server.set(figures=BAD)
        (server.home / "silent").unlink()

    assert server.watch(then=silence)["outcome"] == "switched_back"


def test_routes_and_jobs_of_before_come_back(server: Server) -> None:
    """The live files choose the old routes; then the jobs, the crontab as it was, and at the end the proxy's file."""
    result = server.watch(then=lambda: server.set(figures=BAD), watched=CHANGED)
    assert result["outcome"] == "switched_back", result
    server.wait_for(f"reload watch-shop 5ba5e shop {ADMIN}")
    assert server.calls == [
        "update --restart always 1d1e",
        "start 1d1e",
        "switch shop.web=r1-web shop.cron=r1-cron",
        "rename b6 shop.job.added.new-r2",
        "rename c7 shop.job.gone",
        "crontab write shop /run/docker.sock JOB",
        "line */5 3 * * *|0,5,10,15,20,25,30,35,40,45,50,55 * * * *|shop.job.gone",
        "line 0,15,30,45 * * * *|0,15,30,45 * * * *|shop.job.other",
        "update --restart no e3",
        "stop -t 10 e3",
        "unpack back",
        f"reload watch-shop 5ba5e shop {ADMIN}",
    ]


def test_a_crontab_that_is_refused_is_told(server: Server) -> None:
    """The release is taken back all the same."""
    server.set(refused="")
    server.watch(then=lambda: server.set(figures=BAD), watched=CHANGED)
    server.wait_for(f"reload watch-shop 5ba5e shop {ADMIN}")
    report = json.loads((server.home / "r2.watch.json").read_text())
    assert report["outcome"] == "switched_back"
    assert report["reason"].endswith("; jobs of shop could not be taken back, and need a deploy")


def test_a_crontab_without_jobs_of_before_is_empty_again(server: Server) -> None:
    """All jobs of the release were new."""
    server.watch(then=lambda: server.set(figures=BAD), watched=replace(CHANGED, crontab=()))
    server.wait_for("crontab write shop /run/docker.sock JOB")
    assert not [call for call in server.calls if call.startswith("line")]


def test_a_release_that_stays_keeps_its_routes_alone(server: Server) -> None:
    """The crontab has been its own since the switch."""
    assert server.watch(watched=CHANGED)["outcome"] == "passed"
    assert server.calls == [
        "stop -t 10 0ld",
        "rm --force --volumes 0ld 1d1e",
        "unpack on",
        f"reload watch-shop 5ba5e shop {ADMIN}",
    ]


def test_without_the_routes_of_before_there_is_no_way_back(server: Server) -> None:
    """Another operation has dropped them from the proxy: the old containers must not answer by the new ones."""
    result = server.watch(then=lambda: server.set(figures=BAD, both="07he5  -\n"), watched=CHANGED)
    assert (result["outcome"], result["reason"]) == ("ended", "another operation has changed the routes")
    assert server.calls == []


def test_a_deploy_in_the_middle_that_fails_does_not_end_it(server: Server) -> None:
    """It has dropped the routes of before, and its undo brings them back while it has the lock."""

    def then() -> None:
        with has(str(server.home), "keep_lock", "bob@there", "/run/docker.sock"):
            server.set(both="07he5  -\n", figures=BAD)
            (server.home / "paused").unlink()
            time.sleep(1)
            server.set(both="d16e57  -\n", paused="")

    assert server.watch(then=then, watched=CHANGED)["outcome"] == "switched_back"


def test_errors_on_new_routes_of_other_services_count(server: Server) -> None:
    """A route of a service that keeps its containers may change with the release."""
    result = server.watch(
        then=lambda: server.set(figures="30\nadmin 1 3 90\n"), watched=replace(CHANGED, also=("admin",))
    )
    assert result["outcome"] == "switched_back"
    assert str(result["reason"]).startswith("admin answered 90 of 90")
