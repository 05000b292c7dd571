"""The script that watches a release on the server, where routes and jobs change."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.proxy.names import ADMIN
from tests.unit.host.scripts.watched_server import BAD, CHANGED, WatchedServer
from tests.unit.locks.real import has

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WatchedServer]:
    """A server whose release r2 has been switched to."""
    with WatchedServer(tmp_path) as server:
        yield server


def test_routes_and_jobs_of_before_come_back(server: WatchedServer) -> None:
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


def test_a_crontab_that_is_refused_is_told(server: WatchedServer) -> None:
    """The release is taken back all the same."""
    server.set(refused="")
    server.watch(then=lambda: server.set(figures=BAD), watched=CHANGED)
    server.wait_for(f"reload watch-shop 5ba5e shop {ADMIN}")
    report = json.loads((server.home / "r2.watch.json").read_text())
    assert report["outcome"] == "switched_back"
    assert report["reason"].endswith("; jobs of shop could not be taken back, and need a deploy")


def test_a_crontab_without_jobs_of_before_is_empty_again(server: WatchedServer) -> None:
    """All jobs of the release were new."""
    server.watch(then=lambda: server.set(figures=BAD), watched=replace(CHANGED, crontab=()))
    server.wait_for("crontab write shop /run/docker.sock JOB")
    assert not [call for call in server.calls if call.startswith("line")]


def test_a_release_that_stays_keeps_its_routes_alone(server: WatchedServer) -> None:
    """The crontab has been its own since the switch."""
    assert server.watch(watched=CHANGED)["outcome"] == "passed"
    assert server.calls == [
        "stop -t 10 0ld",
        "rm --force --volumes 0ld 1d1e",
        "unpack on",
        f"reload watch-shop 5ba5e shop {ADMIN}",
    ]


def test_without_the_routes_of_before_there_is_no_way_back(server: WatchedServer) -> None:
    """Another operation has dropped them from the proxy: the old containers must not answer by the new ones."""
    result = server.watch(then=lambda: server.set(figures=BAD, both="07he5  -\n"), watched=CHANGED)
    assert (result["outcome"], result["reason"]) == ("ended", "another operation has changed the routes")
    assert server.calls == []


def test_a_deploy_in_the_middle_that_fails_does_not_end_it(server: WatchedServer) -> None:
    """It has dropped the routes of before, and its undo brings them back while it has the lock."""

    def then() -> None:
        with has(str(server.home), "keep_lock", "bob@there", "/run/docker.sock"):
            server.set(both="07he5  -\n", figures=BAD)
            (server.home / "paused").unlink()
            time.sleep(1)
            server.set(both="d16e57  -\n", paused="")

    assert server.watch(then=then, watched=CHANGED)["outcome"] == "switched_back"


def test_errors_on_new_routes_of_other_services_count(server: WatchedServer) -> None:
    """A route of a service that keeps its containers may change with the release."""
    result = server.watch(
        then=lambda: server.set(figures="30\nadmin 1 3 90\n"), watched=replace(CHANGED, also=("admin",))
    )
    assert result["outcome"] == "switched_back"
    assert str(result["reason"]).startswith("admin answered 90 of 90")
