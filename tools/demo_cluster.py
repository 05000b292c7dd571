"""`make demo-cluster`: deploy examples/shop to three servers, and kill one under load.

    python -m tools.demo_cluster up      prints a table, the URLs and, as its last line, one JSON object
    python -m tools.demo_cluster down    removes what `up` made

The app is copied as for `make demo`; its ftl.cluster.yaml has the three servers, and the sandbox's stand in for them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.load import Load, Tally, Target
from rich.console import Console
from rich.table import Table
from tools.calls import DemoError, docker, ftl, lab, say
from tools.demo import (
    COPY,
    DOMAIN,
    FIRST,
    LIMIT,
    OURS,
    REQUESTS,
    SECOND,
    copy_shop,
    remove_built,
    set_version,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SANDBOX = f"{OURS['FTL_SANDBOX']}-cluster"
ENV = {**os.environ, **OURS, "FTL_SANDBOX": SANDBOX}
SERVERS = 3
PROJECT = "shop-cluster"

CLIENTS = 6
"""Clients at each proxy."""

AROUND = 3.0
"""Seconds of load before something happens, and after it."""

PATIENCE = 90.0
"""Seconds in which Swarm has to start the lost replicas elsewhere."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """Something that happened under load, and what the clients saw of it."""

    text: str
    seconds: float
    tallies: Sequence[Tally]

    @property
    def requests(self) -> int:
        """Requests of all clients."""
        return sum(tally.requests for tally in self.tallies)

    @property
    def failed(self) -> int:
        """Those that failed."""
        return sum(tally.failed for tally in self.tallies)

    def fields(self) -> dict[str, object]:
        """For the line of JSON."""
        return {"requests": self.requests, "failed": self.failed, "seconds": round(self.seconds, 1)}


def up() -> None:
    """Run the demo from start to end.

    Raises:
        DemoError: A command failed, or a deploy lost a request.
    """
    lab("engine", "up")
    lab("images", "caddy", "postgres", "python")
    say(f"Starting three servers: ftl sandbox up --servers {SERVERS}")
    sandbox = ftl("sandbox", "up", "--servers", str(SERVERS), env=ENV)
    ports = _ports(sandbox)
    copy_shop()
    say("\nOne cluster of them: ftl -e cluster setup --server sandbox")
    shop("setup")
    say(f"\nVersion {FIRST}: ftl -e cluster deploy --server sandbox")
    shop("deploy")

    set_version(SECOND)
    say(f"\nVersion {SECOND}, while {CLIENTS * SERVERS} clients browse and order teapots at three proxies")
    switched = _under_load(ports, f"version {SECOND} deployed", lambda: shop("deploy"))
    victim = f"ftl-sandbox-{SANDBOX}.{SERVERS}"
    say(f"\nThe third server loses its power, while clients are at the two others: docker kill {victim}")
    lost = _under_load(ports[:-1], "a server lost", lambda: _lose(victim))
    say("\nIt comes back: ftl sandbox up, then ftl -e cluster deploy points its proxy at the live release")
    ports = _ports(ftl("sandbox", "up", env=ENV))
    shop("deploy")

    show([switched, lost])
    for port in ports:
        say(f"The shop is at http://{DOMAIN}:{port}/")
    say("until `make demo-cluster-down` takes everything away.\n")
    say(json.dumps({"type": "demo-cluster", "deploy": switched.fields(), "loss": lost.fields()}))
    if switched.failed:
        raise DemoError(_reasons(switched))


def down() -> None:
    """Take away the sandbox and the images built for the demo; `make demo-down` removes the rest."""
    lab("engine", "up")
    ftl("sandbox", "down", env=ENV)
    remove_built(PROJECT)
    say("Gone: the three servers and all that was on them. `make demo-down` also removes images and .lab.")


def shop(verb: str) -> dict[str, object]:
    """A command of `ftl` for the copy, on the sandbox."""
    return ftl("-e", "cluster", verb, "--server", "sandbox", cwd=COPY, env=ENV)


def _ports(sandbox: Mapping[str, object]) -> list[int]:
    servers = sandbox["servers"]
    assert isinstance(servers, list)
    return [int(server["http_port"]) for server in servers]


def _under_load(ports: Sequence[int], text: str, act: object) -> Chapter:
    assert callable(act)
    with ExitStack() as stack:
        loads = [
            stack.enter_context(
                Load(Target("127.0.0.1", port, DOMAIN), REQUESTS, clients=CLIENTS, limit=LIMIT)
            )
            for port in ports
        ]
        time.sleep(AROUND)
        began = time.monotonic()
        act()
        seconds = time.monotonic() - began
        time.sleep(AROUND)
    return Chapter(text, seconds, [load.tally for load in loads])


def _lose(victim: str) -> None:
    """Kill a server, and wait until Swarm has started what ran there elsewhere."""
    docker("kill", victim)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        status = shop("status")
        units, servers = status["units"], status["servers"]
        assert isinstance(units, list)
        assert isinstance(servers, list)
        down_ = any(server["state"] == "down" for server in servers)
        running = {unit["name"]: unit["running"] for unit in units if unit["kind"] == "service"}
        if down_ and running and min(running.values()) >= SERVERS:
            return
        time.sleep(1)
    raise DemoError(f"the lost replicas were not started elsewhere within {PATIENCE:.0f} s")


def show(chapters: Sequence[Chapter]) -> None:
    """Print a table, and what failed."""
    table = Table("under load", "seconds", "requests", "failed", "of that")
    for chapter in chapters:
        row = (chapter.text, f"{chapter.seconds:.1f}", f"{chapter.requests:,}", str(chapter.failed))
        table.add_row(*row, _reasons(chapter))
    say("")
    Console(width=120).print(table)


def _reasons(chapter: Chapter) -> str:
    total = Tally()
    for tally in chapter.tallies:
        total.add(tally)
    return "; ".join(f"{count} x {why}" for why, count in total.reasons.most_common(5))


def main() -> None:
    """Run `up` or `down`; a failure is a sentence and exit status 1."""
    verbs = {"up": up, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    try:
        verbs[sys.argv[1]]()
    except DemoError as failure:
        sys.exit(f"demo: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
