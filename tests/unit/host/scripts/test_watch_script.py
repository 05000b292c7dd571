"""The script that watches a release on the server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import MarkedProcesses
from tests.unit.host.scripts.watched_server import BAD, LIVE, STATES, WatchedServer
from tests.unit.locks.real import has, take_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WatchedServer]:
    """A server whose release r2 has been switched to."""
    with WatchedServer(tmp_path) as server:
        yield server


def test_a_release_that_answers_with_errors_is_taken_back(server: WatchedServer) -> None:
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


def test_a_watch_takes_no_lock_from_what_goes_on_without_ftl(server: WatchedServer) -> None:
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


def test_errors_that_were_there_before_are_no_reason(server: WatchedServer) -> None:
    """A site that answered one in ten with an error may go on so: the watch passes, and the old containers go."""
    server.set(figures="300\nweb 0 3 90\nweb 1 3 10\n")
    result = server.watch(then=lambda: server.set(figures=BAD))
    assert result["outcome"] == "passed"
    assert server.calls == ["stop -t 10 0ld", "rm --force --volumes 0ld 1d1e"]


def test_few_errors_and_errors_of_others_are_no_reason(server: WatchedServer) -> None:
    """Less than five failed requests say nothing, and other services are not watched."""
    result = server.watch(then=lambda: server.set(figures="30\nweb 1 3 4\nadmin 1 3 90\n"))
    assert result["outcome"] == "passed"


def test_the_reason_names_the_services_whose_containers_fail(server: WatchedServer) -> None:
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
def test_containers_that_exit_are_a_reason(server: WatchedServer, state: str, reason: str) -> None:
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
def test_another_operation_ends_it(server: WatchedServer, change: dict[str, str]) -> None:
    """Whatever the release does, nothing is changed after another operation."""
    result = server.watch(then=lambda: server.set(figures=BAD, **change))
    assert result["outcome"] == "ended"
    assert server.calls == []


def test_a_project_that_was_removed_is_watched_no_longer(server: WatchedServer) -> None:
    """There is nowhere to say so any more."""
    with MarkedProcesses() as own:
        server.marks[own.variable] = own.value
        server.run(then=lambda: server.set(removed="", states=""))
        own.wait_for_end(60)
    assert server.calls == []


def test_a_proxy_that_does_not_answer_changes_nothing(server: WatchedServer) -> None:
    """During an upgrade of the proxy nothing is known; the watch goes on afterwards."""

    def silence() -> None:
        server.set(silent="")
        time.sleep(1)
        server.set(figures=BAD)
        (server.home / "silent").unlink()

    assert server.watch(then=silence)["outcome"] == "switched_back"
