"""A project for tests that deploy: a small image, a server of the lab, and a visitor who counts."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.load import Load, Request, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.load import Tally
    from lab.servers import Server
    from tests.harness import Outcome, Project

_NUMBERS = itertools.count(1)
_OURS = f"-{os.getpid():x}-"

DOCKERFILE = """\
FROM ftl-lab-busybox:latest
COPY www /www
CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
"""

SLOW = "#!/bin/sh\nsleep 4\nprintf 'Content-Type: text/plain\\r\\n\\r\\nslow done'\n"
BROKEN = "#!/bin/sh\nprintf 'Status: 500 Broken\\r\\nContent-Type: text/plain\\r\\n\\r\\nno database'\n"
MOVED = "#!/bin/sh\nprintf 'Status: 301 Moved\\r\\nLocation: https://elsewhere.example/\\r\\n\\r\\n'\n"


def unique(stem: str = "app") -> str:
    """A project name that no other test has."""
    return f"{stem}{_OURS}{next(_NUMBERS)}"


def remove_images() -> None:
    """Remove the images that this process's tests built on this machine for their projects."""
    docker = shutil.which("docker") or "docker"
    listed = subprocess.run(
        (docker, "images", "--filter", "label=ftl.project", "--format", "{{.Repository}}:{{.Tag}}"),
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [reference for reference in listed.stdout.split() if _OURS in reference]
    if ours:
        subprocess.run((docker, "rmi", *ours), capture_output=True, check=False)


@dataclass
class LabProject:
    """One project on one server.

    Attributes:
        config: What becomes ftl.yaml; change it between deploys.
    """

    project: Project
    server: Server
    name: str
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        """The name its visitors use."""
        return f"{self.name}.example.com"

    def service(self, name: str = "web") -> dict[str, Any]:
        """A service's section, to be changed."""
        found: dict[str, Any] = next(one for one in self.config["services"] if one["name"] == name)
        return found

    def version(self, text: str, *, dockerfile: str = DOCKERFILE) -> None:
        """Make the app say `text`."""
        files: dict[str, object] = {
            "app/Dockerfile": dockerfile,
            "app/www/index.html": text,
            "app/www/cgi-bin/slow": SLOW,
            "app/www/cgi-bin/broken": BROKEN,
            "app/www/cgi-bin/moved": MOVED,
        }
        self.project.write(files)
        for name in ("slow", "broken", "moved"):
            (self.project.folder / "app/www/cgi-bin" / name).chmod(0o755)

    def save(self) -> None:
        """Write ftl.yaml."""
        self.project.write({"ftl.yaml": json.dumps(self.config, indent=1)})

    def run(self, *argv: str, **options: Any) -> Outcome:
        """Run a command on the file as it is now."""
        self.save()
        return self.project.run(*argv, **options)

    def deploy(self, *argv: str, **options: Any) -> Outcome:
        """Deploy, with JSON lines."""
        return self.run("deploy", "--json", *argv, **options)

    def get(self, path: str = "/", *, timeout: float = 20) -> tuple[int, str]:
        """A visit from outside: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": self.domain})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get_secure(self) -> tuple[int, str]:
        """A visit by HTTPS, whoever signed the certificate."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.server.https_port, timeout=20, context=context
        )
        connection.sock = context.wrap_socket(_dial(self.server.https_port), server_hostname=self.domain)
        try:
            connection.request("GET", "/", headers={"Host": self.domain})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def containers(self, *, running: bool = False) -> list[str]:
        """The names of the project's containers on the server."""
        every = () if running else ("--all",)
        found = self.server.docker(
            "ps", *every, "--filter", f"label=ftl.project={self.name}", "--format", "{{.Names}}"
        )
        return sorted(found.split())


def _dial(port: int) -> Any:
    import socket

    return socket.create_connection(("127.0.0.1", port), timeout=20)


def lab_project(make: Callable[..., Project], server: Server, **changed: Any) -> LabProject:
    """A project with one service `web` at `/`, version `one`."""
    name = unique()
    made = LabProject(make(), server, name)
    made.config = {
        "project": {"name": name, "domain": made.domain},
        "server": server.section(),
        "services": [
            {
                "name": "web",
                "build": "app",
                "port": 8000,
                "routes": ["/"],
                "stop_timeout": 1,
                "drain_timeout": "8s",
                **changed,
            }
        ],
        "proxy": {"tls": "off"},
    }
    made.version("one")
    return made


@dataclass
class Visitors:
    """What they met. `failures` tells answers that were not 200, and connections that broke, apart."""

    tally: Tally
    seen: set[str]

    @property
    def failures(self) -> dict[str, int]:
        """How often each kind of failure was met; whole once the visitors have gone."""
        return dict(self.tally.reasons)


@contextmanager
def visitors(target: LabProject, count: int = 4) -> Iterator[Visitors]:
    """Clients that keep their connections alive, never retry, and ask as fast as they are answered."""
    seen: set[str] = set()
    there = Target("127.0.0.1", target.server.http_port, target.domain)
    load = Load(
        there,
        [Request("GET", "/")],
        clients=count,
        pause=0.005,
        saw=lambda _, body: seen.add(body.decode()),
    )
    with load:
        yield Visitors(load.tally, seen)
    assert load.tally.requests, "somebody came"
