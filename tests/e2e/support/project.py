"""Testbed for deploys: a project with a small image, a lab server, clients that count."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lab.load import Load, Request, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab.load import Tally
    from lab.servers import Server
    from tests.harness import Outcome, Project

_NUMBERS = itertools.count(1)
_RUN = f"-{os.getpid():x}-"

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
    return f"{stem}{_RUN}{next(_NUMBERS)}"


def remove_images() -> None:
    """Remove the images that this process's tests built on this machine for their projects."""
    docker = shutil.which("docker") or "docker"
    listed = subprocess.run(
        (docker, "images", "--filter", "label=ftl.project", "--format", "{{.Repository}}:{{.Tag}}"),
        capture_output=True,
        text=True,
        check=False,
    )
    images = [reference for reference in listed.stdout.split() if _RUN in reference]
    if images:
        subprocess.run((docker, "rmi", *images), capture_output=True, check=False)


@dataclass
class LabProject:
    """One project on one server.

    Attributes:
        config: Content of ftl.yaml; tests change it between deploys.
    """

    project: Project
    server: Server
    name: str
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        """The project's domain; no domain has an underscore."""
        return f"{self.name.replace('_', '.')}.example.com"

    def service(self, name: str = "web") -> dict[str, Any]:
        """Section of a service in the config, which tests change."""
        section: dict[str, Any] = next(each for each in self.config["services"] if each["name"] == name)
        return section

    def version(self, text: str, *, dockerfile: str = DOCKERFILE) -> None:
        """Change the app's answer to `text`."""
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
        """Run a command with the current config."""
        self.save()
        return self.project.run(*argv, **options)

    def deploy(self, *argv: str, **options: Any) -> Outcome:
        """Deploy, with JSON lines."""
        return self.run("deploy", "--json", *argv, **options)

    def get(self, path: str = "/", *, timeout: float = 20) -> tuple[int, str]:
        """Request from outside: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": self.domain})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get_secure(self) -> tuple[int, str]:
        """Request over HTTPS with any certificate: status and body."""
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
        """Names of the project's containers on the server."""
        options = () if running else ("--all",)
        names = self.server.docker(
            "ps", *options, "--filter", f"label=ftl.project={self.name}", "--format", "{{.Names}}"
        )
        return sorted(names.split())


def _dial(port: int) -> Any:
    import socket

    return socket.create_connection(("127.0.0.1", port), timeout=20)


def lab_project(make: Callable[..., Project], server: Server, **changed: Any) -> LabProject:
    """A project with one service `web` at `/`, version `one`."""
    name = unique()
    project = LabProject(make(), server, name)
    project.config = {
        "project": {"name": name, "domain": project.domain},
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
    project.version("one")
    return project


def elsewhere(app: LabProject, ssh_config: Path) -> tuple[LabProject, tuple[str, ...]]:
    """The same project from an empty folder, and the options that name it."""
    server = app.server
    ssh_config.write_text(f"IdentityFile {server.key}\n{ssh_config.read_text()}")
    folder = app.project.folder.parent / "elsewhere"
    folder.mkdir()
    address = f"{server.user}@{server.host}:{server.port}"
    return replace(app, project=replace(app.project, folder=folder)), (
        "--server",
        address,
        "--project",
        app.name,
    )


@dataclass
class Visitors:
    """Results of some clients: answers other than 200 and broken connections are counted by kind."""

    tally: Tally
    seen: set[str]

    @property
    def failures(self) -> dict[str, int]:
        """Number of failures of each kind; complete once the clients have ended."""
        return dict(self.tally.reasons)


@contextmanager
def visitors(target: LabProject, count: int = 4) -> Iterator[Visitors]:
    """Clients with keep-alive connections that never retry and send requests without a pause."""
    seen: set[str] = set()
    endpoint = Target("127.0.0.1", target.server.http_port, target.domain)
    load = Load(
        endpoint,
        [Request("GET", "/")],
        clients=count,
        pause=0.005,
        saw=lambda _, body: seen.add(body.decode()),
    )
    with load:
        yield Visitors(load.tally, seen)
    assert load.tally.requests, "no request was sent"
