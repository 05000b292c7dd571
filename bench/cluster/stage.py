"""Servers of the lab with one app on them, and clients at every proxy."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.load import Load, Request, Tally, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lab.servers import Server
    from tests.harness import Outcome, Project

CLIENTS = 4
"""Clients at each proxy."""

PAUSE = 0.01
LONGEST = 1800.0
"""Seconds after which the clients stop by themselves."""

MEGABYTE = 1 << 20

DOCKERFILE = """\
FROM ftl-lab-busybox:latest
COPY large /large
COPY code /code
COPY www /www
CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
"""


def say(text: str) -> None:
    """Tell how it goes."""
    print(text, file=sys.stderr, flush=True)


@dataclass
class Stage:
    """A project on some servers, whose hosts are NAME.test.

    Attributes:
        servers: Those of the file.
        is_cluster: Whether the file has `servers`, and not `server`.
        extra: More keys of ftl.yaml.
    """

    project: Project
    name: str
    servers: Sequence[Server]
    replicas: int = 3
    extra: dict[str, Any] = field(default_factory=dict)
    is_cluster: bool = True

    def __post_init__(self) -> None:
        self.ssh_config(self.servers)
        self.project.write({"app/Dockerfile": DOCKERFILE, "app/large": b"", "app/code": b""})

    @property
    def domain(self) -> str:
        """The project's domain."""
        return f"{self.name}.example.com"

    def ssh_config(self, servers: Sequence[Server], ports: Mapping[str, int] | None = None) -> None:
        """Let NAME.test lead to each server, or to another port of this machine."""
        ports = ports or {}
        hosts = [
            f"Host {server.name}.test\n  HostName 127.0.0.1\n  Port {ports.get(server.name, server.port)}\n"
            f"  HostKeyAlias {server.name}.test\n"
            for server in servers
        ]
        path = Path(self.project.environment["HOME"]) / ".ssh" / "config"
        general = path.read_text().rpartition("Host *\n")[2]
        path.write_text("".join(hosts) + "Host *\n" + general)

    def config(self) -> dict[str, Any]:
        """The content of ftl.yaml."""
        sections = [_section(server) for server in self.servers]
        where = {"servers": sections} if self.is_cluster else {"server": _without_address(sections[0])}
        web = {
            "name": "web",
            "build": "app",
            "port": 8000,
            "routes": ["/"],
            "replicas": self.replicas,
            "stop_timeout": 1,
            "drain_timeout": "5s",
        }
        about = {"name": self.name, "domain": self.domain}
        return {"project": about, **where, "services": [web], "proxy": {"tls": "off"}, **self.extra}

    def run(self, *argv: str, timeout: float = 400) -> Outcome:
        """Run `ftl` with the configuration of now; it must succeed."""
        self.project.write({"ftl.yaml": json.dumps(self.config())})
        return self.project.run(*argv, timeout=timeout).ok()

    def deploy(self, text: str) -> Outcome:
        """Deploy a version whose answer is `text`."""
        self.project.write({"app/www/index.html": text})
        return self.run("deploy", "--json")

    def fill(self, name: str, size: int) -> None:
        """Write new bytes, which cannot be compressed, to `large` or `code` of the app."""
        self.project.write({f"app/{name}": os.urandom(size)})

    def ask(self, server: Server) -> tuple[int, str]:
        """One request at a server's proxy: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
        try:
            connection.request("GET", "/", headers={"Host": self.domain})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def replicas_running(self, lead: Server) -> int:
        """Replicas that run, in the words of a manager; of a node that is down Swarm knows none."""
        service = f"label=ftl.project={self.name}"
        names = lead.docker("service", "ls", "--quiet", "--filter", service, check=False).split()
        if not names:
            return 0
        form = "{{.CurrentState}} {{.Node}}"
        listed = lead.docker(
            "service", "ps", *names, "--filter", "desired-state=running", "--format", form, check=False
        )
        ready = set(lead.docker("node", "ls", "--format", "{{.Hostname}} {{.Status}}").splitlines())
        return sum(
            line.startswith("Running ") and f"{line.rpartition(' ')[2]} Ready" in ready
            for line in listed.splitlines()
        )

    @contextmanager
    def loads(self, servers: Sequence[Server], *, timeout: float = 30.0) -> Iterator[dict[str, Load]]:
        """Keep-alive clients that never retry at the proxies of these servers, by the servers' names."""
        with ExitStack() as stack:
            yield {
                server.name: stack.enter_context(
                    Load(
                        Target("127.0.0.1", server.http_port, self.domain),
                        [Request("GET", "/")],
                        clients=CLIENTS,
                        pause=PAUSE,
                        limit=LONGEST,
                        timeout=timeout,
                    )
                )
                for server in servers
            }


def total(loads: Mapping[str, Load]) -> Tally:
    """What all clients counted, with the server in front of each reason."""
    tally = Tally()
    for name, load in loads.items():
        tally.add(load.tally)
        for reason, number in load.tally.reasons.items():
            say(f"  at {name}: {number} x {reason}")
    return tally


def wait_until(seconds: float, what: str, done: Any) -> float:
    """Wait until `done()`; the seconds that it took."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)
    return time.monotonic() - began


def _section(server: Server) -> dict[str, object]:
    return {
        "host": f"{server.name}.test",
        "user": server.user,
        "ssh_key": str(server.key),
        "private_address": server.address,
    }


def _without_address(section: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in section.items() if key != "private_address"}
