"""Servers of the lab: machines with an address, sshd and (unless bare) a Docker engine.

They are made like `ftl sandbox`'s, from other suites, with other stores, on a network of their run where they see
each other.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from ftl.errors import EngineError
from ftl.server.sandbox import container
from ftl.server.sandbox.container import HTTP, HTTPS, SSH, USER, ServerSpec, init_script
from ftl.server.sandbox.image import Recipe, ensure_image
from ftl.server.sandbox.lifecycle import local_engine, make_key
from lab import images
from lab.place import LABEL, STATE, LabError, exclusive, run_id, say
from lab.server import Server, docker, wait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType


INIT_SCRIPT = init_script().decode()

__all__ = ["INIT_SCRIPT", "PUT_INIT_SCRIPT", "Lab", "Server", "Store"]

Store = Literal["overlay2", "containerd"]

_CONTAINERD = {"features": {"containerd-snapshotter": True}}
_PORT_ATTEMPTS = 3
READY_SECONDS = 240.0
"""Limit for a server to boot, which takes two seconds: other tests and benchmarks may have the processors."""

# One that is there when the package comes is kept, if apt is told to keep files that were changed (--force-confold).
PUT_INIT_SCRIPT = "cat > /etc/init.d/docker && chmod 755 /etc/init.d/docker"


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
            suite: "bookworm" (Docker 20.10), "trixie" (26.1) or "sid" (28.5); bare also "bullseye".
            store: Where its engine keeps images; bookworm's knows overlay2 only.
            bare: Without Docker, and root may log in, as on a machine that was just rented.
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
        self.ensure_network()
        public = self._ensure_key()
        spec = ServerSpec(
            name=full,
            image=image,
            hostname=name,
            keys=dict.fromkeys((USER, *users, *(("root",) if bare else ())), public),
            labels={LABEL: self.run},
            daemon={**(_CONTAINERD if store == "containerd" else {}), **(daemon or {})} or None,
            network=self.network,
            disk=disk,
            has_engine=not bare,
        )
        found, host_key = wait(_create(spec))
        for user in users:
            docker("exec", full, "useradd", "--create-home", "--shell", "/bin/bash", user)
        if bare:
            docker("exec", "--interactive", full, "sh", "-c", PUT_INIT_SCRIPT, stdin=INIT_SCRIPT.encode())
        known_hosts = self._folder / f"{name}.known_hosts"
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

    def cluster(self, *suites: str, stem: str = "") -> list[Server]:
        """Start servers that can become one cluster: `ftl setup` may restart their engines.

        Args:
            suites: That of each server; their names are a, b, c ... behind the stem.
            stem: Begins the names, which are unique in the run.
        """
        servers = [
            self.server(f"{stem}{chr(ord('a') + number)}", suite=suite) for number, suite in enumerate(suites)
        ]
        for server in servers:
            server.run("sh", "-c", PUT_INIT_SCRIPT, stdin=INIT_SCRIPT.encode())
        return servers

    def remove(self, name: str) -> None:
        """Remove a server and all that it held; none of that name is no error."""
        wait(_remove(f"{self.network}-{name}"))

    def close(self) -> None:
        """Remove everything of this run."""
        from lab import clean

        clean.run(self.run)

    def _image(self, recipe: Recipe) -> str:
        """The server's image, built by one process while the others wait."""
        if not docker("images", "--quiet", recipe.reference).stdout.strip():
            images.ensure(recipe.suite)
        with exclusive("server-image"):
            return wait(_ensure_image(recipe))

    def ensure_network(self) -> None:
        """Have the network of the run."""
        with exclusive("network"):
            if docker("network", "inspect", self.network, check=False).returncode:
                docker("network", "create", "--label", f"{LABEL}={self.run}", self.network)

    def _ensure_key(self) -> str:
        """The run's key pair; returns the public key."""
        key = self._folder / "id_ed25519"
        with exclusive("key"):
            if not key.exists():
                return wait(make_key(key, f"ftl lab {self.run}"))
            return key.with_suffix(".pub").read_text().strip()


async def _create(spec: ServerSpec) -> tuple[container.ServerState, str]:
    """Create a server on ports that stay its own, and wait for it; the server and its host key.

    Raises:
        LabError: There is one of that name.
    """
    async with local_engine() as engine:
        if await container.state(engine, spec.name) is not None:
            raise LabError(f"there is a server {spec.name} already")
        for attempt in range(_PORT_ATTEMPTS):
            try:
                await container.create(engine, _with_ports(spec))
                break
            except EngineError as error:  # another process took a port between our look and Docker's
                taken = "port is already allocated" in (error.cause or "") or "in use" in (error.cause or "")
                if not taken or attempt == _PORT_ATTEMPTS - 1:
                    raise
        server = await container.wait_ready(
            engine, spec.name, has_engine=spec.has_engine, seconds=READY_SECONDS
        )
        return server, await container.host_key(engine, spec.name)


async def _remove(name: str) -> None:
    async with local_engine() as engine:
        await container.remove(engine, name)


async def _ensure_image(recipe: Recipe) -> str:
    async with local_engine() as engine:
        return await ensure_image(engine, recipe, lambda event: say(getattr(event, "text", "")))


def _with_ports(spec: ServerSpec) -> ServerSpec:
    """The same with ports that are free here now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in (SSH, HTTP, HTTPS)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        free = [each.getsockname()[1] for each in sockets]
    return replace(spec, ports=dict(zip((SSH, HTTP, HTTPS), free, strict=True)))
