"""Containers that are servers: machines of their own with an address, sshd and a Docker engine inside.

The sandbox is one of them; the repository's lab makes others from the same parts.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.errors import EngineError, FtlError
from ftl.server.sandbox.docker import SHORT, Docker
from ftl.server.sandbox.image import pack

if TYPE_CHECKING:
    from collections.abc import Mapping

USER = "ftl"
SSH, HTTP, HTTPS = 22, 80, 443
BRIDGE = "bridge"  # Docker's default network, which knows no aliases
READY_SECONDS = 60.0

_DATA = ("/var/lib/docker", "/var/lib/containerd")

_PRIVILEGED = ("--privileged",)
# What an engine in a container needs of all that, for machines that may not hand on CAP_SYS_RESOURCE. Docker 20.10
# fails there with "unable to apply caps"; newer ones (26.1) leave out by themselves what the machine does not have,
# and refuse to drop it by name.
_WITHOUT_SYS_RESOURCE = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
)


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """All that is said when a server is created.

    Attributes:
        name: Of the container; its volumes begin with it.
        image: What `image.ensure_image` made.
        hostname: What the server calls itself.
        keys: User -> the public key that may log in as that user.
        labels: On the container and its volumes.
        daemon: The engine's /etc/docker/daemon.json.
        network: The network to be in; in one that is not Docker's default, others find it by its hostname.
        ports: The server's port -> the port of 127.0.0.1 that leads to it; 0: whichever is free, chosen at
            every start.
        disk: Bytes for /var/lib/docker, in memory; None: a volume, as large as this machine's disk.
        has_engine: Whether to wait for an engine in it.
    """

    name: str
    image: str
    hostname: str
    keys: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    daemon: Mapping[str, object] | None = None
    network: str = BRIDGE
    ports: Mapping[int, int] = field(default_factory=lambda: dict.fromkeys((SSH, HTTP, HTTPS), 0))
    disk: int | None = None
    has_engine: bool = True


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server's container as the engine sees it.

    Attributes:
        ports: The server's port -> the port of 127.0.0.1 at which it is reached from here.
        addresses: Network -> the server's address there.
    """

    name: str
    running: bool
    labels: Mapping[str, str]
    ports: Mapping[int, int]
    addresses: Mapping[str, str]


async def create(docker: Docker, spec: ServerSpec) -> None:
    """Create and start a server; nothing is left when that fails.

    Privileged where the machine allows it, else with what it allows: the first try tells.

    Raises:
        EngineError: In the engine's words.
    """
    try:
        try:
            await _create(docker, spec, _PRIVILEGED)
        except EngineError as error:
            if "unable to apply caps" not in (error.cause or ""):
                raise
            await remove(docker, spec.name)
            await _create(docker, spec, _WITHOUT_SYS_RESOURCE)
    except BaseException:
        await asyncio.shield(remove(docker, spec.name))
        raise


async def _create(docker: Docker, spec: ServerSpec, rights: tuple[str, ...]) -> None:
    """Create the container, put its files in place, start it."""
    labels = [f"--label={name}={value}" for name, value in spec.labels.items()]
    options = ["--name", spec.name, "--hostname", spec.hostname, "--tmpfs=/run", *labels, *rights]
    for port, here in spec.ports.items():
        options += ["--publish", f"127.0.0.1:{here or ''}:{port}"]
    for volume, path in zip(volumes(spec.name), _DATA, strict=True):
        if path == _DATA[0] and spec.disk is not None:
            options += ["--mount", f"type=tmpfs,destination={path},tmpfs-size={spec.disk},tmpfs-mode=0711"]
            continue
        await docker.run("volume", "create", *labels, volume)
        options += ["--volume", f"{volume}:{path}"]
    options += ["--network", spec.network]
    if spec.network != BRIDGE:
        options += ["--network-alias", spec.hostname]
    await docker.run("create", *options, spec.image)
    members = [(f"etc/ssh/authorized_keys/{user}", key.encode() + b"\n") for user, key in spec.keys.items()]
    if spec.daemon is not None:
        members.append(("etc/docker/daemon.json", json.dumps(spec.daemon).encode()))
    await docker.run("cp", "-", f"{spec.name}:/", stdin=pack(members))
    await docker.run("start", spec.name)


async def wait_ready(docker: Docker, name: str, *, has_engine: bool = True) -> ServerState:
    """Wait until sshd answers through the published port and the engine inside answers too.

    Returns:
        The server, running.

    Raises:
        FtlError: It ended, or was not ready within READY_SECONDS; with the end of its log.
    """
    try:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                found = await state(docker, name)
                if found is None or not found.running:
                    raise FtlError(f"the server {name} ended while it started")
                logs_in = await _greets(found.ports.get(SSH, 0))
                if logs_in and (not has_engine or await _has_engine(docker, name)):
                    return found
                await asyncio.sleep(0.2)
    except TimeoutError:
        error = FtlError(f"the server {name} was not ready within {READY_SECONDS:.0f} s")
        raise error.with_details(await log_tail(docker, name)) from None
    except FtlError as error:
        error.with_details(await log_tail(docker, name))
        raise


async def state(docker: Docker, name: str) -> ServerState | None:
    """A server's container; None where there is none."""
    found = await docker.inspect(name)
    if found is None:
        return None
    ports: dict[int, int] = {}
    for port, bindings in (found["NetworkSettings"]["Ports"] or {}).items():
        for binding in bindings or ():
            ports[int(port.partition("/")[0])] = int(binding["HostPort"])
    networks = found["NetworkSettings"]["Networks"]
    return ServerState(
        name=name,
        running=found["State"]["Running"],
        labels=found["Config"]["Labels"] or {},
        ports=ports,
        addresses={network: endpoint["IPAddress"] for network, endpoint in networks.items()},
    )


async def host_key(docker: Docker, name: str) -> str:
    """The server's ed25519 host key ("ssh-ed25519 AAAA..."), read through the engine: nobody in between."""
    key = await docker.run("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    return " ".join(key.split()[:2])


async def log_tail(docker: Docker, name: str, lines: int = 15) -> tuple[str, ...]:
    """The last lines of what the server and its engine said; empty when not even that can be had."""
    with suppress(EngineError):
        done = await docker.attempt("logs", "--tail", str(lines), name)
        return tuple((done.stdout + done.stderr).decode(errors="replace").splitlines())
    return ()


async def remove(docker: Docker, name: str) -> None:
    """Remove a server and its volumes; what is missing is no error."""
    for argv in (("rm", "--force", "--volumes", name), ("volume", "rm", "--force", *volumes(name))):
        done = await docker.attempt(*argv, timeout=SHORT)
        complaint = done.stderr.decode(errors="replace")
        if done.exit_code and "no such" not in complaint.lower():
            raise EngineError(f"{name} could not be removed", cause=complaint.strip())


def volumes(name: str) -> tuple[str, ...]:
    """The volumes of a server: overlay on overlay fails, so the engine's data needs a real file system."""
    return tuple(f"{name}-{Path(path).name}" for path in _DATA)


async def _greets(port: int) -> bool:
    """Whether an SSH server introduces itself at a port of 127.0.0.1 (RFC 4253, 4.2)."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return (await reader.readline()).startswith(b"SSH-2.0-")
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False


async def _has_engine(docker: Docker, name: str) -> bool:
    """Whether the engine inside answers."""
    return (await docker.attempt("exec", name, "docker", "version")).exit_code == 0
