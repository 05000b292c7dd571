"""Dependency that echoes what it receives, for tests that inspect it or connect to it."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.support.project import LabProject

IMAGE = "ftl-lab-echo:latest"
PORT = 6379
DOCKERFILE = (
    f'FROM ftl-lab-busybox:latest\nCMD ["sh", "-c", "echo echo is up; exec nc -ll -p {PORT} -e cat"]\n'
)


def add_echo(site: LabProject, name: str = "cache") -> dict[str, Any]:
    """Give a project the dependency; returns its section, to be changed."""
    site.project.write({"echo/Dockerfile": DOCKERFILE})
    folder = site.project.folder / "echo"
    subprocess.run(["docker", "build", "--quiet", "--tag", IMAGE, folder], check=True, capture_output=True)
    section: dict[str, Any] = {"name": name, "image": IMAGE, "ports": [PORT]}
    site.config.setdefault("dependencies", []).append(section)
    return section


def ask(port: int, words: bytes = b"hello\n") -> bytes:
    """What comes back on a port of this machine."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(words)
        return connection.recv(len(words))


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
