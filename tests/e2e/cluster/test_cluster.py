"""Deploys to three servers: every proxy switches under load, and none serves an old release."""

from __future__ import annotations

import http.client
import signal
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from lab.load import Load, Request, Target
from tests.e2e.support.echo import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.servers import Server
    from tests.e2e.support.three_servers import ThreeServerProject

pytestmark = [pytest.mark.engine, pytest.mark.server]


def _load(cluster: ThreeServerProject, server: Server, seen: set[tuple[str, str]]) -> Load:
    def saw(_: Request, body: bytes) -> None:
        seen.add((server.name, body.decode()))

    target = Target("127.0.0.1", server.http_port, cluster.domain)
    return Load(target, [Request("GET", "/")], clients=3, pause=0.01, saw=saw)


@contextmanager
def _loads(
    cluster: ThreeServerProject, servers: Sequence[Server], seen: set[tuple[str, str]] | None = None
) -> Iterator[list[Load]]:
    seen = set() if seen is None else seen
    with ExitStack() as stack:
        yield [stack.enter_context(_load(cluster, server, seen)) for server in servers]


def _wait_for_answer(cluster: ThreeServerProject, server: Server, expected: tuple[int, str]) -> None:
    deadline = time.monotonic() + 60
    answer: tuple[int, str] | None = None
    while answer != expected:
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)
        with suppress(OSError, http.client.HTTPException):
            answer = cluster.get(server)


def test_two_deploys_lose_nothing_and_a_server_that_was_away_serves_nothing_old(
    cluster: ThreeServerProject,
) -> None:
    """Keep-alive clients at every proxy; then one server loses its power during a deploy."""
    first = cluster.deploy("one")
    assert first.exit_code == 0, first.stderr
    # The proxy's image and that of web: once from here, and from one server to the others.
    sent = sorted(first.result["servers"], key=lambda each: -int(each["bytes_sent"]))
    assert sent[0]["bytes_sent"] > 0
    assert [each["bytes_sent"] for each in sent[1:]] == [0, 0]
    assert {each["bytes_fanned_out"] for each in sent[1:]} == {sent[0]["bytes_sent"]}
    seen: set[tuple[str, str]] = set()
    with _loads(cluster, cluster.servers, seen) as loads:
        for text in ("two", "three"):
            done = cluster.deploy(text)
            assert done.exit_code == 0, done.stderr
    for load in loads:
        assert load.tally.requests > 100
        assert load.tally.reasons == {}
    assert seen == {(server.name, text) for server in cluster.servers for text in ("one", "two", "three")}

    away = cluster.servers[2]
    away.kill()
    assert cluster.deploy("four").exit_code == 0
    assert [cluster.get(server) for server in cluster.servers[:2]] == [(200, "four")] * 2
    began = time.monotonic()
    states = [each["state"] for each in cluster.project.run("status", "--json").ok().result["servers"]]
    assert (states, time.monotonic() - began < 8) == (["ready", "ready", "down"], True)
    away.start()
    answers = set()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            answers.add(cluster.get(away))
        except OSError:
            continue
        time.sleep(0.2)
    assert not {answer for answer in answers if answer[0] == 200 and answer[1] != "four"}
    assert cluster.deploy("four").exit_code == 0
    assert cluster.get(away) == (200, "four")


@pytest.mark.nightly
def test_a_server_is_drained_and_comes_back_under_load(cluster: ThreeServerProject) -> None:
    """Keep-alive clients at every proxy lose nothing; its own proxy answers while it is empty, after a reboot, too."""
    cluster.deploy("one").ok()
    host = cluster.servers[1].address

    def tasks() -> tuple[str, int]:
        servers = cluster.project.run("servers", "--json").ok().result["servers"]
        (found,) = (each for each in servers if each["host"] == host)
        return found["state"], found["tasks"]

    drained, others = cluster.servers[1], (cluster.servers[0], cluster.servers[2])
    assert tasks() == ("ready", 1)
    with _loads(cluster, cluster.servers) as loads:
        cluster.project.run("servers", "drain", host).ok()
        assert tasks() == ("drained", 0)
        cluster.deploy("two").ok()
        assert tasks() == ("drained", 0)
        assert [cluster.get(server) for server in cluster.servers] == [(200, "two")] * 3
    assert [load.tally.reasons for load in loads] == [{}, {}, {}]

    with _loads(cluster, others) as loads:
        drained.kill()
        drained.start()
        _wait_for_answer(cluster, drained, (200, "two"))
    assert [load.tally.reasons for load in loads] == [{}, {}]
    assert tasks() == ("drained", 0)

    with _loads(cluster, cluster.servers) as loads:
        cluster.project.run("servers", "resume", host).ok()
        assert tasks() == ("ready", 1)
    assert [load.tally.reasons for load in loads] == [{}, {}, {}]


@pytest.mark.nightly
def test_commands_find_what_runs_on_several_servers(cluster: ThreeServerProject) -> None:
    """Logs and commands reach every replica, and maintenance and a stop reach every server."""
    cluster.config["services"][0]["command"] = ["sh", "-c", "hostname; exec httpd -f -p 8000 -h /www"]
    cluster.deploy("one").ok()
    run = cluster.project.run

    logged = [line for line in run("logs", "--json").ok().lines if line["type"] == "log_line"]
    assert {line["server"] for line in logged} == {server.address for server in cluster.servers}
    names = {
        run("exec", "web", "--replica", str(number), "--", "hostname").ok().stdout for number in (1, 2, 3)
    }
    assert names == {f"{line['text']}\n" for line in logged}
    done = run("run", "web", "--", "echo", "here").ok()
    assert done.stdout == "here\n"
    assert "web on " in done.stderr
    assert [each["outcome"] for each in run("releases", "--json").ok().result["releases"]] == ["live"]

    run("maintenance", "on").ok()
    assert {cluster.get(server)[0] for server in cluster.servers} == {503}
    run("maintenance", "off").ok()
    run("stop").ok()
    assert [server.docker("ps", "-q", "--filter", "label=ftl.service=web") for server in cluster.servers] == [
        ""
    ] * 3
    run("start").ok()
    assert [cluster.get(server) for server in cluster.servers] == [(200, "one")] * 3


@pytest.mark.nightly
def test_nothing_is_left_on_several_servers_after_a_removal(cluster: ThreeServerProject) -> None:
    """A prune before it removes what the live release does not need; the Swarm and its nodes stay."""
    cluster.deploy("one").ok()
    cluster.deploy("two").ok()
    cluster.project.run("prune").ok()
    assert [cluster.get(server) for server in cluster.servers] == [(200, "two")] * 3
    removed = cluster.project.run("remove", "--yes").ok()
    assert "could not be removed" not in removed.stderr
    label = f"label=ftl.project={cluster.name}"
    assert [server.docker("ps", "-aq", "--filter", label) for server in cluster.servers] == [""] * 3
    assert cluster.servers[0].docker("network", "ls", "-q", "--filter", label) == ""
    assert cluster.servers[0].docker("service", "ls", "-q") == ""


@pytest.mark.nightly
def test_services_scale_and_restart_beside_what_is_bound_to_one_server(cluster: ThreeServerProject) -> None:
    """Under load on every proxy nothing is lost; a job runs on the first server, a tunnel leads to the second."""
    second = cluster.servers[1]
    cluster.config["dependencies"] = [
        {"name": "cache", "build": "app", "ports": [8000], "on": second.address, "stop_signal": "KILL"}
    ]
    cluster.config["jobs"] = [
        {"name": "say", "service": "web", "command": ["echo", "said"], "schedule": "7 3 * * *"}
    ]
    cluster.config["services"][0]["command"] = ["httpd", "-f", "-vv", "-p", "8000", "-h", "/www"]
    cluster.deploy("one").ok()
    run = cluster.project.run
    with _loads(cluster, cluster.servers) as loads:
        run("scale", "web=4").ok()
        before = _wait_for_tasks(cluster, 4)
        run("restart").ok()
        _wait_for_tasks(cluster, 4, without=before)
        run("scale", "web=2").ok()
        _wait_for_tasks(cluster, 2)
    assert [load.tally.reasons for load in loads] == [{}, {}, {}]

    lines = [line for line in run("logs", "--json", "-n", "50").ok().lines if line["type"] == "log_line"]
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert len({line["server"] for line in lines}) == 2
    assert run("jobs", "run", "say").ok().stdout == "said\n"
    assert [each["name"] for each in run("jobs", "--json").ok().result["jobs"]] == ["say"]
    port = free_port()
    with cluster.project.start("tunnels", "-p", f"cache={port}") as process:
        assert process.stdout is not None
        while f"127.0.0.1:{port}" not in process.stdout.readline():
            pass
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"one"
        process.send_signal(signal.SIGINT)
        process.wait(20)


def _wait_for_tasks(
    cluster: ThreeServerProject, number: int, *, without: frozenset[str] = frozenset()
) -> frozenset[str]:
    """The running tasks, once there are as many and none of others: old ones end after the command."""
    deadline = time.monotonic() + 60
    while len(tasks := _tasks(cluster)) != number or tasks & without:
        assert time.monotonic() < deadline, tasks
        time.sleep(0.3)
    return tasks


def _tasks(cluster: ThreeServerProject) -> frozenset[str]:
    label = "label=ftl.service=web"
    return frozenset(
        each
        for server in cluster.servers
        for each in server.docker("ps", "-q", "--filter", label, "--filter", "status=running").split()
    )


@pytest.mark.nightly
def test_a_changed_on_moves_what_runs_elsewhere(cluster: ThreeServerProject) -> None:
    """A service moves under load without a lost request, a dependency without data stops on the old server first."""
    first, second, _ = cluster.servers
    cache = {"name": "cache", "build": "app", "on": second.address, "stop_signal": "KILL"}
    cluster.config["dependencies"] = [cache]
    cluster.deploy("one").ok()

    def running(service: str) -> list[int]:
        filters = ("--filter", f"label=ftl.service={service}", "--filter", "status=running")
        return [len(server.docker("ps", "-q", *filters).split()) for server in cluster.servers]

    assert (running("web"), running("cache")) == ([1, 1, 1], [0, 1, 0])
    cluster.config["services"][0]["on"] = [first.address, second.address]
    cache["on"] = first.address
    with _loads(cluster, cluster.servers) as loads:
        cluster.deploy("one").ok()
        _wait_for_tasks(cluster, 3)
    assert [load.tally.reasons for load in loads] == [{}, {}, {}]
    assert (running("web")[2], running("cache")) == (0, [1, 0, 0])
    assert cluster.deploy("one").ok().events("step_finished") == []


@pytest.mark.nightly
def test_a_database_does_not_start_empty_when_its_server_is_lost(cluster: ThreeServerProject) -> None:
    """The first server is lost: with `on` the rest is deployed, without the server in the file it starts empty."""
    first = cluster.servers[0]
    a, b = (server.address for server in cluster.servers[:2])
    store = {"name": "store", "build": "app", "volumes": ["data:/data"], "stop_signal": "KILL"}
    cluster.config["dependencies"] = [store]
    cluster.deploy("one").ok()
    sections = cluster.config["servers"]
    first.kill()
    cluster.config["servers"] = [sections[1], sections[0], sections[2]]
    refused = cluster.deploy("two")
    assert refused.exit_code == 2
    assert f"store has its data on {a}, which cannot be reached" in refused.stdout

    store["on"] = a
    kept = cluster.deploy("two").ok()
    assert f"store stays as it is: {a} cannot be reached" in kept.stdout
    assert [cluster.get(server) for server in cluster.servers[1:]] == [(200, "two")] * 2

    del store["on"]
    cluster.config["servers"] = sections[1:]
    empty = cluster.deploy("three").ok()
    assert f"on {b} it starts empty" in empty.stdout

    first.start()
    cluster.config["servers"] = [sections[1], sections[0], sections[2]]
    _wait_for_answer(cluster, first, (503, "503 Service Unavailable\n"))
    cluster.deploy("three").ok()
    assert cluster.get(first) == (200, "three")
    (unit,) = (
        unit
        for unit in cluster.project.run("status", "--json").ok().result["units"]
        if unit["name"] == "store"
    )
    assert (unit["healthy"], unit["running"]) == (False, 2)
    assert any("all of them answer to its name" in text for text in _problems(cluster))


@pytest.mark.nightly
def test_the_first_server_is_cut_off_from_the_others(cluster: ThreeServerProject) -> None:
    """It answers us, and knows no leader: commands go on by the others. It never serves an old release again."""
    cluster.deploy("one").ok()
    first, *others = cluster.servers
    for other in others:
        first.cut_from(other)
        other.cut_from(first)
    try:
        deadline = time.monotonic() + 60
        states: list[tuple[str, bool]] = []
        while ("down", True) not in states:  # without an answer while they choose a leader
            assert time.monotonic() < deadline, states
            servers = cluster.project.run("servers", "--json").result.get("servers", [])
            states = [(each["state"], each["cut_off"]) for each in servers]
        assert states == [("down", True), ("ready", False), ("ready", False)]
        done = cluster.deploy("two").ok()
        assert f"{first.address} is cut off from the other servers" in done.stdout
        assert [cluster.get(server) for server in others] == [(200, "two")] * 2
        assert cluster.get(first)[0] in (502, 503)
    finally:
        for other in others:
            first.mend_to(other)
            other.mend_to(first)
    _wait_for_answer(cluster, first, (200, "two"))


@pytest.mark.nightly
def test_a_release_that_a_proxy_cannot_reach_is_not_switched_to(cluster: ThreeServerProject) -> None:
    """Packets of the overlay are lost between two servers: each task is healthy where it runs, and all is undone."""
    cluster.deploy("one").ok()
    first, second, third = cluster.servers
    pairs = ((second, third), (third, second))
    for server, other in pairs:
        server.block(other, 4789, "udp")
    failed = cluster.deploy("two")
    assert failed.exit_code == 1
    assert f"the proxy on {second.address} does not reach web" in failed.stdout or (
        f"the proxy on {third.address} does not reach web" in failed.stdout
    )
    assert "does not answer on port 8000" in failed.stdout
    assert any(text.startswith(f"{second.address} does not reach web") for text in _problems(cluster))
    assert cluster.get(first) == (200, "one")
    assert first.docker("service", "ls", "--format", "{{.Name}}") == f"{cluster.name}-web-r1"
    for server, other in pairs:
        server.unblock(other, 4789, "udp")
    assert [cluster.get(server) for server in cluster.servers] == [(200, "one")] * 3
    cluster.deploy("two").ok()
    assert [cluster.get(server) for server in cluster.servers] == [(200, "two")] * 3
    assert [text for text in _problems(cluster) if "web" in text] == []


def _problems(cluster: ThreeServerProject) -> list[str]:
    """What doctor finds."""
    lines = cluster.project.run("doctor", "--json").lines
    return [line["what"] for line in lines if line["type"] == "finding" and line["level"] == "problem"]
