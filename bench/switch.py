"""Requests and streams lost by 20 deploys in a row under every kind of traffic.

    python -m bench.switch [--deploys 20] [--requests 50000] [--drain 8] [--suite bookworm] [--store overlay2]

Clients keep their connections alive and never retry: 16 from outside send GET and POST, 4 from inside the project
call a service by its name; 4 WebSockets and 4 event streams are held, and opened again when they end; one request
of 5 seconds is always in flight. Each deploy replaces both services, `web` and `inner`.

A request has failed if its connection broke or its status was not 200. A stream was cut if it ended without a close
frame or a last chunk, while its release was live, or sooner than `drain_timeout` after the switch that replaced
its release. (Which release that is, the stream itself says.) The last line is one JSON object; `failed` and
`streams_cut` are to be 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import images
from lab.load import Load, Request, Tally, Target
from lab.servers import Lab
from lab.streams import Kind, Stream, hold

from bench.project import run_name, temporary_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Server
    from tests.harness import Project

LAB = Path(images.__file__).parent
SLOW = 5
CLIENTS = 16
CALLERS = 4
STREAMS_OF_A_KIND = 4
PAUSE = 0.02
"""Seconds that a client rests after an answer: the deploy under test needs the processor, too."""

LONGEST = 3600.0
"""Seconds after which everything stops by itself."""

EARLY = 0.3
"""Seconds by which a stream may seem to end early: we hear of a switch a little after it happened."""

QUICK = (Request("GET", "/"), Request("POST", "/", b"a body"))

DOCKERFILE = """\
FROM python-base
WORKDIR /app
COPY lab lab
COPY version .
ENV PORTS=8000
CMD ["sh", "-c", "VERSION=$(cat version) exec python3 -u -m lab.talker"]
"""


@dataclass(slots=True)
class Ends:
    """How streams ended.

    Attributes:
        drain: Seconds that a stream has from the switch on.
        replaced: Version -> when another one took over, by `time.monotonic()`.
        ended: How many streams ended by themselves.
        cut: Why those ended that should not have, as they did.
    """

    drain: float
    replaced: dict[str, float] = field(default_factory=dict)
    ended: int = 0
    cut: list[str] = field(default_factory=list)

    def note(self, stream: Stream) -> None:
        """Judge a stream that has ended."""
        self.ended += 1
        why = self._fault(stream)
        if why is not None:
            self.cut.append(f"{stream.kind} of {'/'.join(stream.versions) or 'no release'}: {why}")

    def _fault(self, stream: Stream) -> str | None:
        if not stream.clean:
            return f"ended uncleanly ({stream.reason})"
        replaced = [self.replaced.get(version) for version in stream.versions] or [None]
        if None in replaced:
            return "ended while its release was live"
        left = stream.ended - max(at for at in replaced if at is not None)
        return f"ended {left:.2f} s after the switch" if left < self.drain - EARLY else None


@dataclass(frozen=True, slots=True)
class Counted:
    """What a run counted.

    Attributes:
        public, slow, inner: The 16 clients, the one with the 5-second requests, the callers inside.
    """

    deploys: int
    seconds: float
    public: Tally
    slow: Tally
    inner: Tally
    ends: Ends

    @property
    def requests(self) -> int:
        return self.public.requests + self.slow.requests + self.inner.requests

    @property
    def failed(self) -> int:
        return self.public.failed + self.slow.failed + self.inner.failed

    def is_flawless(self, requests: int) -> bool:
        """Whether nothing was lost, of at least so many public requests, and every stream met every switch."""
        streams = 2 * STREAMS_OF_A_KIND * self.deploys
        tried = self.public.requests >= requests and self.ends.ended >= streams
        return tried and not self.failed and not self.ends.cut

    @property
    def faults(self) -> list[str]:
        """One line for each kind of thing that should not have happened."""
        tallies = {"public": self.public, "slow": self.slow, "inner": self.inner}
        lost = [
            f"{name}: {count} x {why}" for name, one in tallies.items() for why, count in one.reasons.items()
        ]
        return lost + [f"stream: {why}" for why in self.ends.cut]

    def fields(self) -> dict[str, object]:
        """For the line of JSON."""
        return {
            "deploys": self.deploys,
            "seconds": round(self.seconds, 1),
            "requests": self.requests,
            "failed": self.failed,
            "streams": self.ends.ended,
            "streams_cut": len(self.ends.cut),
            "requests_slow": self.slow.requests,
            "requests_inner": self.inner.requests,
            "connections": self.public.connections,
            "connections_inner": self.inner.connections,
            "longest_seconds": round(max(self.public.longest, self.inner.longest), 3),
        }


class Switching:
    """One project that is deployed again and again.

    Args:
        project: An empty folder.
        name: The project's name.
        server: Where it is deployed.
        drain: Its `drain_timeout`.
    """

    def __init__(self, project: Project, name: str, server: Server, *, drain: float) -> None:
        self._project = project
        self._name = name
        self._server = server
        self._live = ""
        self.ends = Ends(drain)
        self.target = Target("127.0.0.1", server.http_port, f"{name}.example.com")
        self._write()

    def run(self, deploys: int, requests: int) -> Counted:
        """Deploy so many times, and go on until so many public requests were answered."""
        self._deploy("v0")
        began = time.monotonic()
        with (
            self._callers() as inner,
            self._streams(),
            Load(self.target, QUICK, clients=CLIENTS, pause=PAUSE, limit=LONGEST) as public,
            Load(self.target, [Request("GET", f"/slow?{SLOW}")], clients=1, pause=0, limit=LONGEST) as slow,
        ):
            for number in range(1, deploys + 1):
                self._deploy(f"v{number}")
                say(
                    f"deploy {number} of {deploys}: {public.so_far} requests, {self.ends.ended} streams ended"
                )
            while public.so_far < requests and time.monotonic() < began + LONGEST:
                time.sleep(0.5)
        seconds = time.monotonic() - began
        return Counted(deploys, seconds, public.tally, slow.tally, inner, self.ends)

    def _write(self) -> None:
        """Two services of one app: `web` for the public, and `inner` for those inside."""
        drain, stop = self.ends.drain, 5
        common = {"build": "app", "port": 8000, "drain_timeout": drain, "stop_timeout": stop}
        sources = ("talker.py", "caller.py", "load.py")
        config = {
            "project": {"name": self._name, "domain": self.target.host},
            "server": self._server.section(),
            "services": [{"name": "web", "routes": ["/"], **common}, {"name": "inner", **common}],
            "proxy": {"tls": "off"},
        }
        self._project.write({f"app/lab/{name}": (LAB / name).read_bytes() for name in sources})
        self._project.write({"ftl.yaml": config, "app/Dockerfile": DOCKERFILE})

    def _deploy(self, version: str) -> None:
        """One deploy of a new version; notes when it took over."""
        self._project.write({"app/version": version})
        with self._project.start("deploy", "--json") as process:
            assert process.stdout is not None
            for line in process.stdout:
                event = json.loads(line)
                if event["type"] == "switched":
                    self.ends.replaced[self._live] = time.monotonic()
                    self._live = version
            if process.wait() != 0:
                raise SystemExit(f"the deploy of {version} failed: {line}")

    @contextmanager
    def _callers(self) -> Iterator[Tally]:
        """Clients inside the project's network, in a container that is not the project's."""
        argv = ("python3", "-u", "-m", "lab.caller", "inner", "8000", str(LONGEST), str(CALLERS), str(PAUSE))
        network, image = f"ftl-p-{self._name}", f"{self._name}-web:r1"
        container = f"{self._name}-callers"
        self._server.docker("run", "-d", "--init", "--name", container, "--network", network, image, *argv)
        tally = Tally()
        try:
            yield tally
        finally:
            self._server.docker("stop", "--time", "40", container)
            counted: dict[str, Any] = json.loads(self._server.docker("logs", container).splitlines()[-1])
            tally.requests, tally.failed = counted["requests"], counted["failed"]
            tally.connections, tally.longest = counted["connections"], counted["longest"]
            tally.reasons.update(counted["reasons"])
            self._server.docker("rm", container)

    @contextmanager
    def _streams(self) -> Iterator[None]:
        """WebSockets and event streams, opened again when they end."""
        over = threading.Event()
        with ThreadPoolExecutor(1, "streams") as pool:
            holding = pool.submit(lambda: asyncio.run(self._hold(over)))
            try:
                yield
            finally:
                over.set()
                holding.result()

    async def _hold(self, over: threading.Event) -> None:
        kinds: tuple[Kind, ...] = ("socket", "events")
        tasks = [asyncio.create_task(self._keep(kind)) for kind in kinds for _ in range(STREAMS_OF_A_KIND)]
        broken: set[asyncio.Task[None]] = set()
        while not over.is_set() and not broken:
            broken, _ = await asyncio.wait(tasks, timeout=0.2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in broken:
            task.result()

    async def _keep(self, kind: Kind) -> None:
        while True:
            stream = Stream(kind)
            await hold(self.target, stream)
            self.ends.note(stream)
            if not stream.clean:
                await asyncio.sleep(0.1)  # a server that is gone is not to be hammered


def say(text: str) -> None:
    """Tell how it goes."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run it; exit status 1 when anything was lost, or less was tried than asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deploys", type=int, default=20)
    parser.add_argument("--requests", type=int, default=50_000, help="so many public ones at least")
    parser.add_argument("--drain", type=float, default=8.0, help="drain_timeout in seconds")
    parser.add_argument("--suite", default="bookworm", choices=("bookworm", "trixie", "sid"))
    parser.add_argument("--store", default="overlay2", choices=("overlay2", "containerd"))
    given = parser.parse_args()
    images.ensure("caddy", "python")
    name = run_name("switch")
    with Lab(name) as lab, temporary_project(name) as project:
        server = lab.server("server", suite=given.suite, store=given.store)
        switching = Switching(project, name, server, drain=given.drain)
        counted = switching.run(given.deploys, given.requests)
    for fault in counted.faults:
        say(fault)
    print(
        json.dumps({"type": "switch", "suite": given.suite, "store": given.store, **counted.fields()}),
        flush=True,
    )
    sys.exit(not counted.is_flawless(given.requests))


if __name__ == "__main__":
    main()
