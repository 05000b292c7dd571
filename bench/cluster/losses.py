"""Requests that fail while a cluster changes, and while it loses servers.

switch: deploys under load at every proxy. loss: a server loses its power; counted at the proxies of the others, until
all replicas run again. returned: a server is away during a deploy; every answer of its proxy after its return is
looked at. partition: a server is cut off from the two others for 20 s, and can be reached from outside all the while.
"""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING, Any

from bench.cluster.stage import Stage, say, total, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.servers import Server

CUT_SECONDS = 20.0
AFTER_SECONDS = 20.0
AGAIN_SECONDS = 180.0
RETURNED_SECONDS = 10.0


def switch(stage: Stage, deploys: int, requests: int) -> dict[str, Any]:
    """Deploy so often, and go on until so many requests were answered."""
    stage.deploy("switch-0")
    with stage.loads(stage.servers) as loads:
        for number in range(1, deploys + 1):
            stage.deploy(f"switch-{number}")
            say(f"deploy {number} of {deploys}: {sum(load.so_far for load in loads.values())} requests")
        while sum(load.so_far for load in loads.values()) < requests:
            time.sleep(0.5)
    tally = total(loads)
    return {
        "switch_requests": tally.requests,
        "switch_failed": tally.failed,
        "switch_deploys": deploys,
        "switch_connections": tally.connections,
        "switch_longest_seconds": round(tally.longest, 3),
    }


def loss(stage: Stage, rounds: int) -> dict[str, Any]:
    """Kill one server after the other, each time with all of them there before."""
    stage.deploy("loss")
    requests, failed, seconds = 0, [], []
    for number in range(rounds):
        victim = stage.servers[-1 - number % len(stage.servers)]
        others = [server for server in stage.servers if server is not victim]
        _wait_replicas(stage, others[0])
        with stage.loads(others) as loads:
            time.sleep(3)
            victim.kill()
            killed = time.monotonic()
            _wait_node(others[0], victim, lost=True)
            _wait_replicas(stage, others[0])
            seconds.append(time.monotonic() - killed)
            time.sleep(5)
        tally = total(loads)
        requests += tally.requests
        failed.append(tally.failed)
        say(f"{victim.name} lost: {tally.failed} of {tally.requests} failed, {seconds[-1]:.1f} s")
        victim.start()
        _wait_node(others[0], victim, lost=False)
        stage.deploy(f"loss-{number}")  # it spreads the replicas again
        _wait_answer(stage, victim, f"loss-{number}")
    return {
        "loss_requests": requests,
        "loss_failed": max(failed),
        "loss_failed_of_each": failed,
        "loss_seconds": round(max(seconds), 1),
    }


def returned(stage: Stage, rounds: int) -> dict[str, Any]:
    """Deploy while a server is away, and look at what it answers when it is back."""
    old, answers, first = 0, 0, []
    for number in range(rounds):
        away = stage.servers[-1 - number % len(stage.servers)]
        before, after = f"before-{number}", f"after-{number}"
        stage.deploy(before)
        away.kill()
        stage.deploy(after)
        away.start()
        seen = list(_watch(stage, away, RETURNED_SECONDS))
        answers += len(seen)
        old += sum(body.startswith(before) for _, body in seen)
        first.append(seen[0] if seen else (0, ""))
        stage.deploy(after)
        _wait_answer(stage, away, after)
    say(f"first answers of servers that came back: {first}")
    return {
        "returned_old": old,
        "returned_answers": answers,
        "returned_first": [status for status, _ in first],
    }


def partition(stage: Stage, rounds: int) -> dict[str, Any]:
    """Cut one server off from the others, and join them again; clients are at all proxies before and after."""
    stage.deploy("partition")
    majority, minority, after = 0, 0, 0
    requests = 0
    for number in range(rounds):
        away = stage.servers[-1 - number % len(stage.servers)]
        others = [server for server in stage.servers if server is not away]
        with stage.loads(others) as on_majority, stage.loads([away]) as on_minority:
            time.sleep(2)
            _cut(away, others)
            time.sleep(CUT_SECONDS)
            _mend(away, others)
            _wait_node(others[0], away, lost=False)
        cut = total(on_majority), total(on_minority)
        time.sleep(2)
        with stage.loads(stage.servers) as again:
            time.sleep(AFTER_SECONDS)
        late = total(again)
        say(
            f"{away.name} cut off: {cut[0].failed} at others, {cut[1].failed} at it, {late.failed} afterwards"
        )
        majority, minority, after = (
            majority + cut[0].failed,
            minority + cut[1].failed,
            after + late.failed,
        )
        requests += cut[0].requests + cut[1].requests + late.requests
    return {
        "partition_requests": requests,
        "partition_failed": majority + after,
        "partition_failed_during": majority,
        "partition_failed_after": after,
        "partition_failed_at_the_one_cut_off": minority,
    }


def _cut(away: Server, others: Sequence[Server]) -> None:
    for other in others:
        away.cut_from(other)
        other.cut_from(away)


def _mend(away: Server, others: Sequence[Server]) -> None:
    for other in others:
        away.mend_to(other)
        other.mend_to(away)


def _wait_replicas(stage: Stage, manager: Server) -> None:
    wait_until(AGAIN_SECONDS, "all replicas", lambda: stage.replicas_running(manager) >= stage.replicas)


def _wait_node(manager: Server, server: Server, *, lost: bool) -> None:
    """Wait until Swarm itself says that a node is ready, or not any more."""

    def is_so() -> bool:
        listed = manager.docker("node", "ls", "--format", "{{.Hostname}} {{.Status}}", check=False)
        return bool(listed) and (f"{server.name} Ready" not in listed.splitlines()) is lost

    wait_until(AGAIN_SECONDS, f"{server.name} {'lost' if lost else 'ready'}", is_so)


def _wait_answer(stage: Stage, server: Server, text: str) -> None:
    def answers() -> bool:
        try:
            return stage.ask(server) == (200, text)
        except (OSError, http.client.HTTPException):
            return False

    wait_until(AGAIN_SECONDS, f"{text} at {server.name}", answers)


def _watch(stage: Stage, server: Server, seconds: float) -> list[tuple[int, str]]:
    """Answers from the first on, as fast as they come, for some time after it."""
    seen: list[tuple[int, str]] = []
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            seen.append(stage.ask(server))
        except (OSError, http.client.HTTPException):
            continue
        if len(seen) == 1:
            end = time.monotonic() + seconds
    return seen
