"""A user who builds and deploys through registries, with an engine that builds.

The engine that builds is another server of the lab, by DOCKER_HOST. So this machine's Docker is not used, and both ends
can be any engine.
"""

from __future__ import annotations

import base64
import json
import os
import pty
import select
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.harness import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lab.servers import Server
    from tests.e2e.support.project import LabProject

PASSWORD = "correct horse"
USERS = {"me": PASSWORD}
READY = {
    "live-restore": True,
    "log-driver": "json-file",
    "log-opts": {"max-size": "10m", "max-file": "3"},
    "default-address-pools": [{"base": "10.210.0.0/16", "size": 24}],
}
"""Settings of an engine that `ftl setup` does not change."""


@contextmanager
def forwarded_engine(server: Server, folder: Path) -> Iterator[str]:
    """Forward a server's engine to this machine, and yield the value of DOCKER_HOST."""
    socket = folder / f"{server.name}.sock"
    argv = server.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"{socket}:/var/run/docker.sock")
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 20
            while not socket.exists():
                assert time.monotonic() < end, "the engine could not be forwarded"
                time.sleep(0.1)
            yield f"unix://{socket}"
        finally:
            process.terminate()


class Deployer:
    """A user who builds and deploys: a project, a Docker configuration, and an engine that builds.

    Attributes:
        made: The project; its service is pushed to `reference`.
        home: The Docker configuration folder.
    """

    def __init__(self, made: LabProject, reference: str, home: Path, engine: str) -> None:
        self.made = made
        self.reference = reference
        self.home = home
        self.env = {"DOCKER_HOST": engine, "DOCKER_CONFIG": str(home)}
        made.service()["image"] = reference

    def ftl(self, *argv: str, env: Mapping[str, str] | None = None) -> Any:
        """Run an ftl command with `--json`."""
        return self.made.run(*argv, "--json", env={**self.env, **(env or {})})

    def logins(self, **entries: Mapping[str, str]) -> None:
        """Write the logins of the Docker configuration."""
        (self.home / "config.json").write_text(json.dumps({"auths": entries}))

    def docker(self, *argv: str) -> str:
        """Run the docker CLI with the engine that builds."""
        done = subprocess.run(
            ("docker", *argv), env={**os.environ, **self.env}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def release(self, server: Server) -> dict[str, Any]:
        """Return the service `web` of the newest release record."""
        service: dict[str, Any] = self.record(server)["services"]["web"]
        return service

    def record(self, server: Server) -> dict[str, Any]:
        """Return the newest release record."""
        output = server.docker("cp", f"ftl-state:/ftl/{self.made.name}", "/tmp/records", check=False)
        newest = server.run("sh", "-c", "ls -v /tmp/records/*.json | tail -1").stdout.decode().strip()
        record: dict[str, Any] = json.loads(server.run("cat", newest).stdout)
        server.run("rm", "-rf", "/tmp/records")
        assert output == ""
        return record


def auth_entry(username: str, password: str) -> dict[str, str]:
    """Make an entry of `auths` in Docker's config file."""
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def credential_files(server: Server) -> str:
    """List files on a server that may contain credentials; empty if there are none."""
    folders = "/root/.docker /home/ftl/.docker"
    return server.run("sh", "-c", f"grep -rl . {folders} 2>/dev/null; true").stdout.decode().strip()


def allow_insecure(server: Server, host: str) -> None:
    """Let an engine use a registry over HTTP, as its administrator would; the engine keeps running."""
    path = "/etc/docker/daemon.json"
    settings = json.loads(server.run("sh", "-c", f"cat {path} 2>/dev/null || echo '{{}}'").stdout)
    server.write(path, json.dumps({**settings, "insecure-registries": [host]}))
    server.run("sh", "-c", "kill -HUP $(pidof dockerd)")
    end = time.monotonic() + 20
    while host not in server.docker("info", "-f", "{{.RegistryConfig.IndexConfigs}}"):
        assert time.monotonic() < end, "the engine did not apply it"
        time.sleep(0.1)


def registry_findings(at: Deployer) -> list[dict[str, Any]]:
    """Return doctor's findings about registries."""
    findings: list[dict[str, Any]] = at.ftl("doctor").events("finding")
    return [finding for finding in findings if finding["area"] == "registries"]


def run_on_terminal(at: Deployer, argv: tuple[str, ...], *answers: str) -> str:
    """Run a command on a terminal and type answers to its prompts; returns all that it displayed."""
    ours, theirs = pty.openpty()
    env = {**at.made.project.environment, **at.env}
    with subprocess.Popen(
        command(*argv), cwd=at.made.project.folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        screen, answered, remaining = "", 0, list(answers)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                piece = os.read(ours, 4096).decode(errors="replace")
            except OSError:
                break
            screen += piece
            if remaining and screen[answered:].rstrip().endswith(("User name:", "Password or token:")):
                os.write(ours, remaining.pop(0).encode())
                screen += "\n"
                answered = len(screen)
        else:
            process.kill()
        process.wait(30)
        os.close(ours)
        assert process.returncode == 0, screen
    return screen
