"""One server of the lab: its address, commands on it past SSH, ways to break it."""

from __future__ import annotations

import asyncio
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ftl.server.sandbox import container
from ftl.server.sandbox.container import USER
from ftl.server.sandbox.lifecycle import local_engine
from lab.place import LabError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

T = TypeVar("T")

_WIRES = "eth+"  # put back into a network, the interface has another number


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, reached from here at 127.0.0.1 and from the other servers of its run at `address`.

    Attributes:
        name: Its host name, and its name in the run's network.
        container: The container that it is.
        port: Where its sshd answers on 127.0.0.1; `http_port` and `https_port` lead to its 80 and 443. They stay
            the same when it is stopped and started.
        user: In the group docker; may become root by sudo where that is installed.
        key: Logs in as `user`, and as each of the extra users.
        known_hosts: Holds its host key, and no other.
    """

    name: str
    container: str
    network: str
    port: int
    http_port: int
    https_port: int
    key: Path
    known_hosts: Path
    host: str = "127.0.0.1"
    user: str = USER

    def section(self, *, user: str | None = None) -> dict[str, object]:
        """The `server:` of an ftl.yaml."""
        return {"host": self.host, "port": self.port, "user": user or self.user, "ssh_key": str(self.key)}

    def fields(self) -> dict[str, object]:
        """All that a program needs to reach it, as JSON's values."""
        more = {"http_port": self.http_port, "https_port": self.https_port, "address": self.address}
        return {**self.section(), "known_hosts": str(self.known_hosts), "container": self.container, **more}

    @property
    def address(self) -> str:
        """Its address in the run's network; empty while it is cut off."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("container", "inspect", "--format", form, self.container).stdout.decode().strip()

    # --- looking and doing, past SSH ---------------------------------------------------------------

    def run(
        self, *argv: str, stdin: bytes | None = None, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command on it as root, through the engine of this machine.

        Raises:
            LabError: It failed, and `check` was not given up.
        """
        return docker(
            "exec", "--interactive", self.container, *argv, stdin=stdin, check=check, timeout=timeout
        )

    def docker(self, *argv: str, check: bool = True) -> str:
        """Run the docker command on it; returns its stdout, stripped."""
        return self.run("docker", *argv, check=check).stdout.decode().strip()

    def load(self, *references: str) -> None:
        """Bring images of this machine's engine to its engine, without FTL."""
        with subprocess.Popen(("docker", "save", *references), stdout=subprocess.PIPE) as source:
            argv = ("docker", "exec", "--interactive", self.container, "docker", "load", "--quiet")
            done = subprocess.run(argv, stdin=source.stdout, capture_output=True, check=False, timeout=300)
        if done.returncode or source.returncode:
            raise LabError(f"{', '.join(references)} could not be loaded: {done.stderr.decode()}")

    def write(self, path: str, content: str | bytes) -> None:
        """Write a file on it as root."""
        data = content.encode() if isinstance(content, str) else content
        self.run("sh", "-c", 'cat > "$1"', "sh", path, stdin=data)

    def ssh(self, *options: str, user: str | None = None) -> list[str]:
        """The system's ssh with all that reaches it; a command may be appended."""
        known = f"UserKnownHostsFile={self.known_hosts}"
        fixed = ("-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", known)
        reach = ("-i", str(self.key), "-p", str(self.port), f"{user or self.user}@{self.host}")
        return ["ssh", *fixed, *options, *reach]

    # --- breaking ----------------------------------------------------------------------------------

    def disconnect(self) -> None:
        """Pull the plug of its network: connections through it hang, new ones are refused."""
        docker("network", "disconnect", "--force", self.network, self.container)

    def connect(self) -> None:
        """Put it back into its network."""
        docker("network", "connect", "--alias", self.name, self.network, self.container)

    def cut(self) -> None:
        """Lose every packet to and from it: connections hang, new ones too."""
        for chain, way in (("PREROUTING", "-i"), ("OUTPUT", "-o")):
            self.run("iptables", "-t", "raw", "-I", chain, way, _WIRES, "-j", "DROP")

    def mend(self) -> None:
        """Undo `cut`."""
        for chain, way in (("PREROUTING", "-i"), ("OUTPUT", "-o")):
            self.run("iptables", "-t", "raw", "-D", chain, way, _WIRES, "-j", "DROP")

    def cut_from(self, other: Server) -> None:
        """Lose every packet from another server; cut both from each other for a partition."""
        self.run("iptables", "-t", "raw", "-I", "PREROUTING", "-s", other.address, "-j", "DROP")

    def mend_to(self, other: Server) -> None:
        """Undo `cut_from`."""
        self.run("iptables", "-t", "raw", "-D", "PREROUTING", "-s", other.address, "-j", "DROP")

    def block(self, other: Server, port: int, protocol: str) -> None:
        """Lose the packets from another server to one port, as a hoster's firewall does."""
        rule = ("-s", other.address, "-p", protocol, "--dport", str(port), "-j", "DROP")
        self.run("iptables", "-t", "raw", "-I", "PREROUTING", *rule)

    def unblock(self, other: Server, port: int, protocol: str) -> None:
        """Undo `block`."""
        rule = ("-s", other.address, "-p", protocol, "--dport", str(port), "-j", "DROP")
        self.run("iptables", "-t", "raw", "-D", "PREROUTING", *rule)

    def pause(self) -> None:
        """Freeze every process on it."""
        docker("pause", self.container)

    def unpause(self) -> None:
        """Undo `pause`."""
        docker("unpause", self.container)

    def kill(self) -> None:
        """Take its power away."""
        docker("kill", self.container)

    def start(self) -> None:
        """Boot it again after `kill`, and wait until it is ready."""
        docker("start", self.container)
        has_engine = self.run("which", "dockerd", check=False).returncode == 0
        wait(_wait_ready(self.container, has_engine=has_engine))

    def stop_engine(self) -> None:
        """Stop its Docker engine, and all containers with it."""
        self.run("engine", "stop")

    def start_engine(self) -> None:
        """Start its Docker engine again, and wait until it answers."""
        self.run("engine", "start")
        wait(_wait_ready(self.container))


async def _wait_ready(name: str, *, has_engine: bool = True) -> None:
    async with local_engine() as engine:
        await container.wait_ready(engine, name, has_engine=has_engine)


def docker(
    *argv: str, stdin: bytes | None = None, check: bool = True, timeout: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """Run this machine's docker command."""
    source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(("docker", *argv), capture_output=True, check=False, timeout=timeout, **source)
    if check and done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise LabError(f"`docker {' '.join(argv)}` ended with {done.returncode}: {words}")
    return done


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work to its end, also for a caller who is in an event loop himself (which then waits)."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
