"""Bytes, seconds and round trips of a deploy to three servers against those of one.

upload: bytes that leave this machine, counted by relays, SSH and all: of a deploy whose image has a new layer of some
megabytes (cold), and of one with new code of a tenth of that. deploy: seconds of changes of a file, in turn. trips:
round trips that follow one another in a deploy that changes nothing, over all servers, as `bench/link.py` counts them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import AsyncExitStack, contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

from lab.relay import Counted, Relay

from bench.cluster.stage import MEGABYTE, Stage, say

if TYPE_CHECKING:
    from collections.abc import Iterator

DELAY = 0.3
"""Seconds each way, against which whatever is done between two round trips is little."""


def upload(three: Stage, one: Stage, megabytes: int, rounds: int) -> dict[str, Any]:
    """Bytes sent, the medians of some rounds."""
    sizes = {"cold": ("large", megabytes * MEGABYTE), "code": ("code", megabytes * MEGABYTE // 10)}
    sent: dict[str, dict[str, list[int]]] = {kind: {"one": [], "three": []} for kind in sizes}
    told: dict[str, dict[str, int]] = {kind: {} for kind in sizes}
    for _ in range(rounds):
        for kind, (name, size) in sizes.items():
            for label, stage in (("one", one), ("three", three)):
                stage.fill(name, size)
                with _relays(stage) as counted:
                    outcome = stage.run("deploy", "--json")
                    sent[kind][label].append(counted.up)
                told[kind][label] = sum(
                    service["bytes_sent"] for service in outcome.result["services"].values()
                )
    bytes_sent = {
        kind: {label: median(values) for label, values in labels.items()} for kind, labels in sent.items()
    }
    say(f"bytes from here: {bytes_sent}; of images, by FTL's word: {told}")
    ratios = {kind: round(labels["three"] / labels["one"], 3) for kind, labels in bytes_sent.items()}
    return {
        "upload_ratio": max(ratios.values()),
        "upload_ratio_cold": ratios["cold"],
        "upload_ratio_code": ratios["code"],
        "upload_bytes": bytes_sent,
    }


def deploy(three: Stage, one: Stage, rounds: int) -> dict[str, Any]:
    """Seconds of a change of a file, in pairs."""
    pairs = []
    for number in range(-1, rounds):
        seconds = [_seconds(stage, f"deploy-{number}") for stage in (one, three)]
        if number >= 0:  # the first pair builds what later ones find in the cache
            pairs.append(seconds)
            say(f"deploy: {seconds[0]:.2f} s to one, {seconds[1]:.2f} s to three")
    return {
        "deploy_ratio": round(median(three_ / one_ for one_, three_ in pairs), 3),
        "deploy_seconds_one": round(median(one_ for one_, _ in pairs), 2),
        "deploy_seconds_three": round(median(three_ for _, three_ in pairs), 2),
    }


def trips(three: Stage, one: Stage, rounds: int) -> dict[str, Any]:
    """Round trips of a deploy without a change, the least of some runs."""
    found = {}
    for label, stage in (("one", one), ("three", three)):
        stage.deploy("trips")
        counts = []
        for _ in range(rounds):
            with _relays(stage, delay=DELAY) as counted:
                outcome = stage.run("deploy", "--json")
                counts.append(counted.round_trips)
            if outcome.result["changed"]:
                raise SystemExit(f"this deploy was to change nothing:\n{outcome}")
        found[label] = min(counts)
        say(f"round trips to {label}: {counts}")
    return {"round_trips": found["three"], "round_trips_one": found["one"]}


def _seconds(stage: Stage, text: str) -> float:
    began = time.monotonic()
    stage.deploy(text)
    return time.monotonic() - began


@contextmanager
def _relays(stage: Stage, *, delay: float = 0.0) -> Iterator[Counted]:
    """Let ssh go through relays, which count together: an answer of one server may ask for a question to another."""
    ready, over = threading.Event(), threading.Event()
    ports: dict[str, int] = {}
    counted = Counted()

    async def relay() -> None:
        async with AsyncExitStack() as stack:
            for server in stage.servers:
                each = Relay(("127.0.0.1", server.port), delay=delay)
                each.counted = counted
                await stack.enter_async_context(each)
                ports[server.name] = each.port
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(relay(),))
    thread.start()
    try:
        ready.wait(30)
        stage.ssh_config(stage.servers, ports)
        yield counted
    finally:
        over.set()
        thread.join()
        stage.ssh_config(stage.servers)
