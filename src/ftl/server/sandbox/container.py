"""Containers that act as servers: each has its own address, sshd and Docker engine.

The sandbox is one of them; the repository's lab builds others from the same parts.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.engine.tarball import tar_archive
from ftl.errors import EngineError, EngineUnavailable, FtlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.api import Engine
    from ftl.engine.values import Container

USER = "ftl"
SSH, HTTP, HTTPS = 22, 80, 443
BRIDGE = "bridge"  # Docker's default network, which has no aliases
READY_SECONDS = 60.0

_DATA = ("/var/lib/docker", "/var/lib/containerd")

_PRIVILEGED: dict[str, object] = {"Privileged": True}
# What an engine in a container needs of these rights, for machines that cannot grant CAP_SYS_RESOURCE. Docker 20.10
# fails there with "unable to apply caps"; newer ones (26.1) leave out what the machine does not have, and refuse to
# drop it by name. Empty path lists are what the CLI sends for `--security-opt systempaths=unconfined`.
_WITHOUT_SYS_RESOURCE: dict[str, object] = {
    "CapAdd": ["ALL"],
    "CapDrop": ["SYS_RESOURCE"],
    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
    "MaskedPaths": [],
    "ReadonlyPaths": [],
    "CgroupnsMode": "host",
}
_CGROUPS = "/sys/fs/cgroup:/sys/fs/cgroup:rw"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """Options for creating a server.

    Attributes:
        image: The reference that `image.ensure_image` returned.
        keys: User -> the public key that may log in as that user.
        network: The network to join; in one that is not Docker's default, others find the server by its host name.
        ports: The server's port -> the port of 127.0.0.1 that leads to it; 0: any free port, chosen anew at every
            start.
        disk: Bytes for /var/lib/docker, kept in memory; None: a volume, as large as this machine's disk.
        has_engine: Whether to wait until its engine answers.
        has_init_script: Whether `service docker restart` works, by which `ftl setup` restarts the engine.
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
    has_init_script: bool = False


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server's container as the engine lists it; no `address`: it does not run.

    `ports` leads from the server's ports to those of 127.0.0.1 on this machine.
    """

    name: str
    running: bool
    labels: Mapping[str, str]
    ports: Mapping[int, int]
    address: str = ""


async def create(engine: Engine, spec: ServerSpec) -> None:
    """Create and start a server; on failure nothing is left behind.

    Privileged where the machine allows it, otherwise with the rights that it can grant: the first attempt tells.

    Raises:
        EngineError: With the engine's message.
    """
    try:
        try:
            await _create(engine, spec, host_config(spec, _PRIVILEGED))
        except EngineError as error:
            if "unable to apply caps" not in (error.cause or ""):
                raise
            await remove(engine, spec.name)
            await _create(engine, spec, host_config(spec, _WITHOUT_SYS_RESOURCE))
    except BaseException:
        await asyncio.shield(remove(engine, spec.name))
        raise


async def _create(engine: Engine, spec: ServerSpec, host: Mapping[str, object]) -> None:
    """Create volumes and container, write its files, start it."""
    for volume in _data_volumes(spec):
        await engine.create_volume(volume, spec.labels)
    networks = {} if spec.network == BRIDGE else {spec.network: {"Aliases": [spec.hostname]}}
    config = {
        "Image": spec.image,
        "Hostname": spec.hostname,
        "Labels": dict(spec.labels),
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": networks},
    }
    await engine.create_raw(spec.name, config)
    files = {f"etc/ssh/authorized_keys/{user}": key.encode() + b"\n" for user, key in spec.keys.items()}
    if spec.daemon is not None:
        files["etc/docker/daemon.json"] = json.dumps(spec.daemon).encode()
    await engine.put_archive(spec.name, "/", tar_archive(files, parents=False))
    if spec.has_init_script:
        script = tar_archive({"etc/init.d/docker": init_script()}, mode=0o755, parents=False)
        await engine.put_archive(spec.name, "/", script)
    await engine.start(spec.name)


def init_script() -> bytes:
    """The init script of the engine inside, in place of its package's."""
    return (files("ftl.server.sandbox") / "docker_init.sh").read_bytes()


def host_config(spec: ServerSpec, rights: Mapping[str, object]) -> dict[str, object]:
    """The `HostConfig` of a server's container."""
    binds = [f"{volume}:{path}" for volume, path in _data_volumes(spec).items()]
    if rights is not _PRIVILEGED:
        binds.append(_CGROUPS)
    mounts: list[dict[str, object]] = []
    if spec.disk is not None:
        options = {"SizeBytes": spec.disk, "Mode": 0o711}
        mounts.append({"Type": "tmpfs", "Target": _DATA[0], "TmpfsOptions": options})
    return {
        **rights,
        "Binds": binds,
        "Mounts": mounts,
        "NetworkMode": spec.network,
        "PortBindings": {
            f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(host_port or "")}]
            for port, host_port in spec.ports.items()
        },
        "Tmpfs": {"/run": ""},
    }


def _data_volumes(spec: ServerSpec) -> dict[str, str]:
    """The volumes that a server gets, and where it mounts them."""
    pairs = zip(volumes(spec.name), _DATA, strict=True)
    return {volume: path for volume, path in pairs if path != _DATA[0] or spec.disk is None}


async def wait_ready(
    engine: Engine, name: str, *, has_engine: bool = True, seconds: float = READY_SECONDS
) -> ServerState:
    """Wait until sshd answers through the published port, and the engine inside answers too.

    Raises:
        FtlError: It ended, or was not ready within this time; with the end of its log.
    """
    try:
        async with asyncio.timeout(seconds):
            while True:
                server = await state(engine, name)
                if server is None or not server.running:
                    raise FtlError(f"the server {name} stopped while it was starting")
                logs_in = await _sshd_answers(server.ports.get(SSH, 0))
                if logs_in and (not has_engine or await _engine_answers(engine, name)):
                    return server
                await asyncio.sleep(0.2)
    except TimeoutError:
        error = FtlError(f"the server {name} was not ready within {seconds:.0f} s")
        raise error.with_details(await log_tail(engine, name)) from None
    except FtlError as error:
        error.with_details(await log_tail(engine, name))
        raise


async def state(engine: Engine, name: str) -> ServerState | None:
    """A server's container; None where there is none."""
    container = next((item for item in await engine.containers() if item.name == name), None)
    return None if container is None else _state_of(container)


async def states(engine: Engine, label: str, value: str) -> list[ServerState]:
    """The servers with a label, by their names."""
    found = await engine.containers(labels={label: value})
    return sorted((_state_of(item) for item in found), key=lambda server: server.name)


def _state_of(container: Container) -> ServerState:
    ports = {item.container_port: item.host_port for item in container.published if item.host_port}
    address = next((endpoint.address for endpoint in container.endpoints), "")
    return ServerState(container.name, container.state == "running", container.labels, ports, address)


async def host_key(engine: Engine, name: str) -> str:
    """The server's host key, "ssh-ed25519 AAAA...", read through the engine, not a network.

    Raises:
        EngineError: It cannot be read.
    """
    path = "/etc/ssh/ssh_host_ed25519_key.pub"
    done = await engine.execute(name, ["cat", path])
    done.require(f"{path} of {name} cannot be read", error=EngineError)
    return " ".join(done.text.split()[:2])


async def log_tail(engine: Engine, name: str) -> tuple[str, ...]:
    """The last lines of the server's log; empty where the engine does not have it."""
    with suppress(EngineError):
        return tuple([line.text async for line in engine.logs(name, tail=15)])
    return ()


async def remove(engine: Engine, name: str) -> None:
    """Remove a server and its volumes; missing ones are no error."""
    await engine.remove(name, force=True)
    for volume in volumes(name):
        await engine.remove_volume(volume)


def volumes(name: str) -> tuple[str, ...]:
    """The volumes of a server: an engine's data cannot be on overlay, which does not stack."""
    return tuple(f"{name}-{Path(path).name}" for path in _DATA)


async def _sshd_answers(port: int) -> bool:
    """Whether an SSH server sends its version on a port of 127.0.0.1 (RFC 4253, 4.2)."""
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


async def _engine_answers(engine: Engine, name: str) -> bool:
    """Whether the engine inside answers; a server that is still booting may refuse the command itself."""
    try:
        return (await engine.execute(name, ["docker", "version"])).exit_code == 0
    except EngineUnavailable:
        raise
    except EngineError:
        return False
