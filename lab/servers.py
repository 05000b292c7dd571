"""Servers of the lab: machines of their own on this one, with an address, sshd and (unless bare) a Docker engine.

They are made like `ftl sandbox`'s, from other suites, with other stores, on a network of their run where they see
each other, and they can be broken.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from ftl.errors import EngineError
from ftl.server.sandbox import container
from ftl.server.sandbox.container import HTTP, HTTPS, SSH, USER, ServerSpec
from ftl.server.sandbox.docker import find
from ftl.server.sandbox.image import Recipe, ensure_image
from lab import images
from lab.place import LABEL, STATE, LabError, exclusive, run_id, say

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from ftl.server.sandbox.docker import Docker

T = TypeVar("T")
Store = Literal["overlay2", "containerd"]

_CONTAINERD = {"features": {"containerd-snapshotter": True}}
_PORT_ATTEMPTS = 3
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
        return _docker("container", "inspect", "--format", form, self.container).stdout.decode().strip()

    # --- looking and doing, past SSH ---------------------------------------------------------------

    def run(
        self, *argv: str, stdin: bytes | None = None, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command on it as root, through the engine of this machine.

        Raises:
            LabError: It failed, and `check` was not given up.
        """
        return _docker(
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
        _docker("network", "disconnect", "--force", self.network, self.container)

    def connect(self) -> None:
        """Put it back into its network."""
        _docker("network", "connect", "--alias", self.name, self.network, self.container)

    def cut(self) -> None:
        """Lose every packet to and from it: connections hang, new ones too."""
        for chain, way in (("PREROUTING", "-i"), ("OUTPUT", "-o")):
            self.run("iptables", "-t", "raw", "-I", chain, way, _WIRES, "-j", "DROP")

    def mend(self) -> None:
        """Undo `cut`."""
        for chain, way in (("PREROUTING", "-i"), ("OUTPUT", "-o")):
            self.run("iptables", "-t", "raw", "-D", chain, way, _WIRES, "-j", "DROP")

    def pause(self) -> None:
        """Freeze every process on it."""
        _docker("pause", self.container)

    def unpause(self) -> None:
        """Undo `pause`."""
        _docker("unpause", self.container)

    def kill(self) -> None:
        """Take its power away."""
        _docker("kill", self.container)

    def start(self) -> None:
        """Boot it again after `kill`, and wait until it is ready."""
        _docker("start", self.container)
        has_engine = self.run("which", "dockerd", check=False).returncode == 0
        _wait(container.wait_ready(find(), self.container, has_engine=has_engine))

    def stop_engine(self) -> None:
        """Stop its Docker engine, and all containers with it."""
        self.run("engine", "stop")

    def start_engine(self) -> None:
        """Start its Docker engine again, and wait until it answers."""
        self.run("engine", "start")
        _wait(container.wait_ready(find(), self.container))


class Lab:
    """The servers of one run, on one network; a context manager that leaves nothing behind."""

    def __init__(self, run: str | None = None) -> None:
        self.run = run_id(run)
        self.network = f"ftl-lab-{self.run}"
        self._folder = STATE / "runs" / self.run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def server(
        self,
        name: str,
        *,
        suite: str = "bookworm",
        store: Store = "overlay2",
        bare: bool = False,
        comfort: bool = True,
        daemon: Mapping[str, object] | None = None,
        disk: int | None = None,
        users: Sequence[str] = (),
    ) -> Server:
        """Start a server and wait until it is ready: two seconds, once its image is there.

        Args:
            name: Unique in the run.
            suite: "bookworm" (Docker 20.10), "trixie" (26.1) or "sid" (28.5).
            store: Where its engine keeps images; bookworm's knows overlay2 only.
            bare: Without Docker.
            comfort: With sudo and python3.
            daemon: More for its /etc/docker/daemon.json.
            disk: Bytes of its /var/lib/docker, which then is in memory.
            users: More users, outside the group docker.

        Raises:
            LabError: There is one of that name.
            FtlError: It could not be started.
        """
        full = f"{self.network}-{name}"
        recipe = Recipe(suite=suite, docker=not bare, comfort=comfort)
        image = self._image(recipe)
        self._ensure_network()
        public = self._ensure_key()
        spec = ServerSpec(
            name=full,
            image=image,
            hostname=name,
            keys=dict.fromkeys((USER, *users), public),
            labels={LABEL: self.run},
            daemon={**(_CONTAINERD if store == "containerd" else {}), **(daemon or {})} or None,
            network=self.network,
            disk=disk,
            has_engine=not bare,
        )
        docker = find()
        if _wait(container.state(docker, full)) is not None:
            raise LabError(f"there is a server {name} in the run {self.run}")
        found = _wait(_create(docker, spec))
        for user in users:
            _docker("exec", full, "useradd", "--create-home", "--shell", "/bin/bash", user)
        known_hosts = self._folder / f"{name}.known_hosts"
        host_key = _wait(container.host_key(docker, full))
        known_hosts.write_text(f"[127.0.0.1]:{found.ports[SSH]} {host_key}\n")
        return Server(
            name=name,
            container=full,
            network=self.network,
            port=found.ports[SSH],
            http_port=found.ports[HTTP],
            https_port=found.ports[HTTPS],
            key=self._folder / "id_ed25519",
            known_hosts=known_hosts,
        )

    def remove(self, name: str) -> None:
        """Remove a server and all that it held; none of that name is no error."""
        _wait(container.remove(find(), f"{self.network}-{name}"))

    def close(self) -> None:
        """Remove everything of this run."""
        from lab import clean

        clean.run(self.run)

    def _image(self, recipe: Recipe) -> str:
        """The server's image, built by one process while the others wait."""
        if not _docker("images", "--quiet", recipe.reference).stdout.strip():
            images.ensure(recipe.suite)
        with exclusive("server-image"):
            return _wait(ensure_image(find(), recipe, lambda event: say(getattr(event, "text", ""))))

    def _ensure_network(self) -> None:
        with exclusive("network"):
            if _docker("network", "inspect", self.network, check=False).returncode:
                _docker("network", "create", "--label", f"{LABEL}={self.run}", self.network)

    def _ensure_key(self) -> str:
        """The run's key pair; returns the public key."""
        key = self._folder / "id_ed25519"
        with exclusive("key"):
            if not key.exists():
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                argv = (
                    "ssh-keygen",
                    "-q",
                    "-t",
                    "ed25519",
                    "-N",
                    "",
                    "-C",
                    f"ftl lab {self.run}",
                    "-f",
                    str(key),
                )
                subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True)
            return key.with_suffix(".pub").read_text().strip()


async def _create(docker: Docker, spec: ServerSpec) -> container.ServerState:
    """Create a server on ports that stay its own, and wait for it."""
    for attempt in range(_PORT_ATTEMPTS):
        try:
            await container.create(docker, _with_ports(spec))
            break
        except EngineError as error:  # someone took a port between our look and Docker's
            taken = "port is already allocated" in (error.cause or "") or "in use" in (error.cause or "")
            if not taken or attempt == _PORT_ATTEMPTS - 1:
                raise
    return await container.wait_ready(docker, spec.name, has_engine=spec.has_engine)


def _with_ports(spec: ServerSpec) -> ServerSpec:
    """The same with ports that are free here now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in (SSH, HTTP, HTTPS)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        free = [each.getsockname()[1] for each in sockets]
    return replace(spec, ports=dict(zip((SSH, HTTP, HTTPS), free, strict=True)))


def _docker(
    *argv: str, stdin: bytes | None = None, check: bool = True, timeout: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """Run this machine's docker command."""
    source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(("docker", *argv), capture_output=True, check=False, timeout=timeout, **source)
    if check and done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise LabError(f"`docker {' '.join(argv)}` ended with {done.returncode}: {words}")
    return done


def _wait(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work to its end, also for a caller who is in an event loop himself (which then waits)."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
