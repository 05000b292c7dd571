"""Somebody who builds and deploys through registries: a project, a home with a docker configuration, an engine.

The machine that builds is a server of the lab, too: its engine is what DOCKER_HOST leads to. So nothing of this
machine's Docker is touched, and both ends can be any engine.
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
    from tests.e2e.site import Site

PASSWORD = "correct horse"
USERS = {"me": PASSWORD}
READY = {
    "live-restore": True,
    "log-driver": "json-file",
    "log-opts": {"max-size": "10m", "max-file": "3"},
    "default-address-pools": [{"base": "10.210.0.0/16", "size": 24}],
}
"""An engine that `ftl setup` leaves as it is."""


@contextmanager
def engine_of(server: Server, folder: Path) -> Iterator[str]:
    """A server's engine on this machine, for DOCKER_HOST."""
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


class Desk:
    """Where somebody builds and deploys: a project, a home with a docker configuration, an engine that builds.

    Attributes:
        made: The project; its one service is pushed to `reference`.
    """

    def __init__(self, made: Site, reference: str, home: Path, engine: str) -> None:
        self.made = made
        self.reference = reference
        self.home = home
        self.env = {"DOCKER_HOST": engine, "DOCKER_CONFIG": str(home)}
        made.service()["image"] = reference

    def ftl(self, *argv: str, env: Mapping[str, str] | None = None) -> Any:
        """Run a command, with JSON lines."""
        return self.made.run(*argv, "--json", env={**self.env, **(env or {})})

    def logins(self, **entries: Mapping[str, str]) -> None:
        """What docker keeps here."""
        (self.home / "config.json").write_text(json.dumps({"auths": entries}))

    def docker(self, *argv: str) -> str:
        """The docker command with the engine that builds."""
        done = subprocess.run(
            ("docker", *argv), env={**os.environ, **self.env}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def release(self, server: Server) -> dict[str, Any]:
        """What the newest release's record says of the service."""
        found: dict[str, Any] = self.record(server)["services"]["web"]
        return found

    def record(self, server: Server) -> dict[str, Any]:
        """The newest release's record."""
        listing = server.docker("cp", f"ftl-state:/ftl/{self.made.name}", "/tmp/records", check=False)
        newest = server.run("sh", "-c", "ls -v /tmp/records/*.json | tail -1").stdout.decode().strip()
        record = json.loads(server.run("cat", newest).stdout)
        server.run("rm", "-rf", "/tmp/records")
        assert listing == ""
        found: dict[str, Any] = record
        return found


def coded(username: str, password: str) -> dict[str, str]:
    """An entry of docker's config file."""
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def secrets_on(server: Server) -> str:
    """Every place of a server where credentials might have been left."""
    places = "/root/.docker /home/ftl/.docker"
    return server.run("sh", "-c", f"grep -rl . {places} 2>/dev/null; true").stdout.decode().strip()


def let_be_insecure(server: Server, host: str) -> None:
    """Have an engine use a registry by HTTP, as its administrator would; it takes that while it runs."""
    path = "/etc/docker/daemon.json"
    there = json.loads(server.run("sh", "-c", f"cat {path} 2>/dev/null || echo '{{}}'").stdout)
    server.write(path, json.dumps({**there, "insecure-registries": [host]}))
    server.run("sh", "-c", "kill -HUP $(pidof dockerd)")
    end = time.monotonic() + 20
    while host not in server.docker("info", "-f", "{{.RegistryConfig.IndexConfigs}}"):
        assert time.monotonic() < end, "the engine did not take it"
        time.sleep(0.1)


def registries_by_doctor(at: Desk) -> list[dict[str, Any]]:
    """What doctor finds about registries."""
    found: list[dict[str, Any]] = at.ftl("doctor").events("finding")
    return [one for one in found if one["area"] == "registries"]


def typed(at: Desk, argv: tuple[str, ...], *answers: str) -> str:
    """Run a command on a terminal, and answer what it asks; what the terminal showed."""
    ours, theirs = pty.openpty()
    env = {**at.made.project.environment, **at.env}
    with subprocess.Popen(
        command(*argv), cwd=at.made.project.folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        said, answered, left = "", 0, list(answers)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                piece = os.read(ours, 4096).decode(errors="replace")
            except OSError:
                break
            said += piece
            if left and said[answered:].rstrip().endswith(("User name:", "Password or token:")):
                os.write(ours, left.pop(0).encode())
                said += "\n"
                answered = len(said)
        else:
            process.kill()
        process.wait(30)
        os.close(ours)
        assert process.returncode == 0, said
    return said
