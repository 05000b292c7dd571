"""Peers of lab servers: a registry behind TLS with passwords or tokens, an ACME authority.

Each is a container in the network of a run, under a name that every server there resolves. They go with the run
(`Lab.close`), or when their block ends.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lab import images
from lab.place import LABEL, LabError
from lab.server import docker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lab.servers import Lab, Server

_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A running peer.

    Attributes:
        host: Its name in the run's network.
        container: The container that it is.
    """

    host: str
    container: str

    def run(self, *argv: str) -> str:
        """Run a command in it; returns its stdout."""
        return docker("exec", self.container, *argv).stdout.decode()

    @property
    def authority(self) -> str:
        """The certificate of the authority that signed its own, PEM."""
        return self.run("cat", "/srv/ca.crt")

    def stop(self) -> None:
        """Stop it: its name leads nowhere."""
        docker("stop", "--time", "1", self.container)

    def start(self) -> None:
        """Start it again, as it was made."""
        docker("start", self.container)


class Registry(Peer):
    """Debian's docker-registry at https://HOST (port 443)."""

    __slots__ = ()

    def trust(self, server: Server) -> None:
        """Let a server's engine trust it, as its administrator would."""
        folder = f"/etc/docker/certs.d/{self.host}"
        server.run("mkdir", "-p", folder)
        server.write(f"{folder}/ca.crt", self.authority)

    def digest(self, repository: str, tag: str) -> str:
        """The digest that a tag names; empty where there is none."""
        path = f"/srv/data/docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/link"
        return docker("exec", self.container, "cat", path, check=False).stdout.decode().strip()

    def expire(self) -> None:
        """Let all refresh tokens have expired."""
        self.run("touch", "/srv/expired")


class Authority(Peer):
    """Pebble; every name leads to one server."""

    __slots__ = ()

    @property
    def directory(self) -> str:
        """Its ACME directory, by address: containers of a server do not find the names of the run's network."""
        return f"https://{self.address}:14000/dir"

    @property
    def address(self) -> str:
        """Where it is, and where its challenges come from."""
        return self.run("hostname", "-i").strip()

    def root(self) -> str:
        """The root of the certificates that it issues, PEM."""
        return self.run("curl", "-sS", "--cacert", "/srv/ca.crt", "--resolve",
                        f"{self.host}:15000:127.0.0.1", f"https://{self.host}:15000/roots/0")  # fmt: skip

    def lead(self, name: str, *addresses: str) -> None:
        """Let a name lead to other addresses."""
        body = json.dumps({"host": name, "addresses": addresses})
        self.run("curl", "-sS", "-d", body, "http://127.0.0.1:8055/add-a")


@contextmanager
def registry(
    lab: Lab,
    host: str,
    mode: Literal["none", "basic", "token"] = "basic",
    *,
    users: Mapping[str, str] | None = None,
    plain: bool = False,
) -> Iterator[Registry]:
    """A registry while the block runs.

    Args:
        lab: Whose network it is in.
        host: Its name there; with a dot, so that references with it name a registry.
        mode: Who may use it: anybody, users by password, or by the tokens of a token server.
        users: Their passwords.
        plain: HTTP on port 80.
    """
    given = ",".join(f"{name}:{password}" for name, password in (users or {}).items())
    options = ("--plain",) if plain else ()
    container = _start(lab, "registry", host, (host, mode, *options), {"USERS": given})
    try:
        made = Registry(host, container)
        _wait(made, "80" if plain else "443")
        if mode == "token":
            _wait(made, "5001")
        yield made
    finally:
        docker("rm", "--force", "--volumes", container)


@contextmanager
def authority(lab: Lab, host: str, address: str, *, valid: float = 7 * 86400.0) -> Iterator[Authority]:
    """An ACME authority while the block runs.

    Args:
        lab: Whose network it is in.
        host: Its name there.
        address: Where all names lead that it is asked to certify.
        valid: Seconds for which its certificates are valid.
    """
    # Challenges are otherwise put off for up to 15 s, and one nonce in twenty is refused on purpose.
    environment = {"SECONDS_VALID": f"{valid:.0f}", "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    container = _start(lab, "pebble", host, (host, address), environment)
    try:
        made = Authority(host, container)
        _wait(made, "14000")
        yield made
    finally:
        docker("rm", "--force", "--volumes", container)


def _start(lab: Lab, image: str, host: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> str:
    images.ensure(image)
    lab.ensure_network()
    name = f"{lab.network}-{host.partition('.')[0]}"
    names = ("--name", name, "--hostname", host, "--network", lab.network, "--network-alias", host)
    given = [f"--env={key}={value}" for key, value in environment.items()]
    docker(
        "run", "--detach", "--label", f"{LABEL}={lab.run}", *names, *given, f"ftl-lab-{image}:latest", *argv
    )
    return name


def _wait(peer: Peer, port: str) -> None:
    """Until it listens: looked up in its own kernel's table."""
    wanted = f":{int(port):04X} "
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        tables = docker("exec", peer.container, "cat", "/proc/net/tcp", "/proc/net/tcp6", check=False)
        if any(wanted in line and " 0A " in line for line in tables.stdout.decode().splitlines()):
            return
        time.sleep(0.1)
    words = docker("logs", "--tail", "20", peer.container, check=False)
    raise LabError(f"{peer.host} does not listen on {port}:\n{words.stdout.decode()}{words.stderr.decode()}")
