"""`ftl sandbox up`, `status` and `down`: a disposable server on this machine."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from ftl.aio import gather
from ftl.child import complete
from ftl.common.figures import count
from ftl.common.json_fields import as_object
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import EngineError, UsageError
from ftl.events import Emit, Note
from ftl.server.sandbox import container
from ftl.server.sandbox.container import HTTP, HTTPS, SSH, USER, ServerSpec, ServerState
from ftl.server.sandbox.home import Home, SandboxAddress
from ftl.server.sandbox.image import LABEL as IMAGE_LABEL
from ftl.server.sandbox.image import Recipe, ensure_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABEL = "ftl.sandbox"
HOME_LABEL = "ftl.sandbox.home"
HOST = "127.0.0.1"

_KEY_SECONDS = 30.0

MOST = 5
"""Servers of a sandbox, at most: as many as have managers of a cluster."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The state of a sandbox.

    Attributes:
        state: "running" if all of its servers run.
        addresses: Those of its servers while they run, the first one's first.
        others: Names of the user's other sandboxes, for `status`.
    """

    name: str
    state: Literal["running", "stopped", "absent"]
    addresses: tuple[SandboxAddress, ...] = ()
    others: tuple[str, ...] = ()


def local_engine() -> Engine:
    """This machine's engine, not yet connected.

    Raises:
        UsageError: The engine that the user's settings name is not this machine's.
    """
    return Engine(local_url(), name="this machine")


async def up(name: str | None, emit: Emit, *, servers: int | None = None) -> Sandbox:
    """Start a sandbox; create it if there is none. Its host keys are in its known_hosts file.

    `servers` None: as many as it has, or one.

    Raises:
        UsageError: A sandbox of that name belongs to another user, or has another number of servers; there is no base
            image to build one from.
        EngineUnavailable: No Docker engine answers on this machine.
        FtlError: It does not start; with the end of its log.
    """
    home = Home.of(name)
    async with local_engine() as engine:
        with home.lock():
            found = await _own(engine, home)
            if found and not home.is_made:
                await _remove(engine, home, found)
                found = []
            if not found:
                await _create(engine, home, servers or 1, emit)
            elif servers is not None and servers != len(found):
                raise UsageError(
                    f"the sandbox has {count(len(found), 'server')}, not {servers}",
                    hint=f"{ftl('sandbox down')} removes it with all its data; "
                    "another one can have a name: `--name NAME`",
                )
            elif not all(server.running for server in found):
                emit(Note("starting the sandbox, which was stopped"))
            for server in found:  # in turn: so each gets the address in their network that it had
                if not server.running:
                    await engine.start(server.name)
            names = [server.name for server in found] or home.containers(servers or 1)
            ready = await gather(container.wait_ready(engine, each) for each in names)
            keys = await gather(container.host_key(engine, each) for each in names)
            addresses = _addresses(home, ready)
            home.save(addresses, keys)
    return Sandbox(home.name, "running", addresses)


async def status(name: str | None) -> Sandbox:
    """The state of a sandbox.

    Raises:
        EngineUnavailable: No Docker engine answers on this machine.
    """
    home = Home.of(name)
    async with local_engine() as engine:
        servers = await _own(engine, home)
    others = tuple(home.others())
    if not servers:
        return Sandbox(home.name, "absent", others=others)
    if not all(server.running for server in servers):
        return Sandbox(home.name, "stopped", others=others)
    return Sandbox(home.name, "running", _addresses(home, servers), others)


async def down(name: str | None, *, images: bool = False) -> bool:
    """Remove a sandbox: containers, volumes, network, keys. Whether there was one.

    With `images` its images go, too.
    """
    home = Home.of(name)
    async with local_engine() as engine:
        with home.lock():
            servers = await _own(engine, home)
            await _remove(engine, home, servers)
        if images:
            for image in await engine.images():
                if IMAGE_LABEL in as_object(image.config.get("Labels")):
                    with suppress(EngineError):  # another sandbox may be running on it
                        await engine.untag(image.id)
    return bool(servers)


async def _create(engine: Engine, home: Home, servers: int, emit: Emit) -> None:
    """Create a sandbox from nothing, keys first; on failure nothing is left behind."""
    image = await ensure_image(engine, Recipe(), emit)
    home.remove()
    public = await make_key(home.key, f"ftl sandbox {home.name}")
    emit(Note("starting the sandbox"))
    labels = {LABEL: home.name, HOME_LABEL: str(home.folder)}
    several = servers > 1
    try:
        if several:
            await engine.create_network(home.network, labels)
        for number, name in enumerate(home.containers(servers), 1):
            spec = ServerSpec(
                name=name,
                image=image,
                hostname=home.name if number == 1 else f"{home.name}-{number}",
                keys={USER: public},
                labels=labels,
                network=home.network if several else container.BRIDGE,
                has_init_script=several,
            )
            await container.create(engine, spec)
    except BaseException:
        await asyncio.shield(_remove(engine, home, await _own(engine, home)))
        raise


async def _remove(engine: Engine, home: Home, servers: Sequence[ServerState]) -> None:
    """Remove the sandbox's servers, their networks and files, and volumes whose server is gone, or was never made."""
    for name in dict.fromkeys((home.container, *(server.name for server in servers))):
        await container.remove(engine, name)
    labels = {HOME_LABEL: str(home.folder)}
    for volume in await engine.volumes(labels=labels):
        await engine.remove_volume(volume.name)
    for network in await engine.networks(labels=labels):
        await engine.remove_network(network.id)
    home.remove()


async def make_key(path: Path, comment: str) -> str:
    """Make a key pair without a passphrase at `path`; the public key, one line.

    It is in a folder that only the user can enter.

    Raises:
        UsageError: OpenSSH's ssh-keygen is not installed.
    """
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UsageError("there is no `ssh-keygen` on this machine", hint="install OpenSSH's client")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    argv = (program, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))
    done = await complete(argv, seconds=_KEY_SECONDS)
    done.require("no key pair could be created")
    return path.with_suffix(".pub").read_text().strip()


async def _own(engine: Engine, home: Home) -> list[ServerState]:
    """The sandbox's servers, which must be this user's: their names are shared by all users of the engine.

    Raises:
        UsageError: The first one's name is another user's, or not a sandbox's.
    """
    first = await container.state(engine, home.container)
    if first is not None and first.labels.get(HOME_LABEL) != str(home.folder):
        owner = first.labels.get(HOME_LABEL, "something else")
        raise UsageError(
            f"the name {home.container} is taken on this machine's engine",
            cause=f"it belongs to {owner}",
            hint="choose another name: `--name NAME`, or the environment variable FTL_SANDBOX",
        )
    return await container.states(engine, HOME_LABEL, str(home.folder))


def _addresses(home: Home, servers: Sequence[ServerState]) -> tuple[SandboxAddress, ...]:
    """Address of a running sandbox."""
    return tuple(
        SandboxAddress(
            host=HOST,
            port=server.ports[SSH],
            user=USER,
            key=home.key,
            known_hosts=home.known_hosts,
            http_port=server.ports[HTTP],
            https_port=server.ports[HTTPS],
            private_address=server.address if len(servers) > 1 else "",
        )
        for server in servers
    )
