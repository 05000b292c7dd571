"""`ftl sandbox up`, `status` and `down`: a disposable server on this machine."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from ftl.child import complete
from ftl.common.json_fields import as_object
from ftl.dataclass import dataclass
from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import EngineError, FtlError, UsageError
from ftl.events import Emit, Note
from ftl.server.sandbox import container
from ftl.server.sandbox.container import HTTP, HTTPS, SSH, USER, ServerSpec, ServerState
from ftl.server.sandbox.home import Home, SandboxAddress
from ftl.server.sandbox.image import LABEL as IMAGE_LABEL
from ftl.server.sandbox.image import Recipe, ensure_image

if TYPE_CHECKING:
    from pathlib import Path

LABEL = "ftl.sandbox"
HOME_LABEL = "ftl.sandbox.home"
HOST = "127.0.0.1"

_KEY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """The state of a sandbox, and its address while it runs."""

    name: str
    state: Literal["running", "stopped", "absent"]
    address: SandboxAddress | None = None


def local_engine() -> Engine:
    """This machine's engine, not yet connected.

    Raises:
        UsageError: The engine that the user's settings name is not this machine's.
    """
    return Engine(local_url(), name="this machine")


async def up(name: str | None, emit: Emit) -> SandboxAddress:
    """Start a sandbox; create it if there is none.

    Returns:
        Its address. The host key is in the known_hosts file that belongs to it.

    Raises:
        UsageError: A sandbox of that name belongs to another user, or there is no base image to build one from.
        EngineUnavailable: No Docker engine answers on this machine.
        FtlError: It does not start; with the end of its log.
    """
    home = Home.of(name)
    async with local_engine() as engine:
        with home.lock():
            server = await _own(engine, home)
            if server is not None and not home.key.exists():
                await container.remove(engine, home.container)  # nobody can log in any more
                server = None
            if server is None:
                await _create(engine, home, emit)
            elif not server.running:
                emit(Note("starting the sandbox, which was stopped"))
                await engine.start(home.container)
            ready = await container.wait_ready(engine, home.container)
            address = _address(home, ready)
            home.save(address, await container.host_key(engine, home.container))
    return address


async def status(name: str | None) -> SandboxStatus:
    """The state of a sandbox.

    Raises:
        EngineUnavailable: No Docker engine answers on this machine.
    """
    home = Home.of(name)
    async with local_engine() as engine:
        server = await _own(engine, home)
    if server is None:
        return SandboxStatus(home.name, "absent")
    if not server.running:
        return SandboxStatus(home.name, "stopped")
    return SandboxStatus(home.name, "running", _address(home, server))


async def down(name: str | None, *, images: bool = False) -> bool:
    """Remove a sandbox: container, volumes, keys; with `images` also its images.

    Returns:
        Whether there was one.
    """
    home = Home.of(name)
    async with local_engine() as engine:
        with home.lock():
            server = await _own(engine, home)
            await container.remove(engine, home.container)
            home.remove()
        if images:
            for image in await engine.images():
                if IMAGE_LABEL in as_object(image.config.get("Labels")):
                    with suppress(EngineError):  # another sandbox may be running on it
                        await engine.untag(image.id)
    return server is not None


async def _create(engine: Engine, home: Home, emit: Emit) -> None:
    """Create a sandbox from nothing, keys first."""
    image = await ensure_image(engine, Recipe(), emit)
    home.remove()
    public = await make_key(home.key, f"ftl sandbox {home.name}")
    emit(Note("starting the sandbox"))
    spec = ServerSpec(
        name=home.container,
        image=image,
        hostname=home.name,
        keys={USER: public},
        labels={LABEL: home.name, HOME_LABEL: str(home.folder)},
    )
    try:
        await container.create(engine, spec)
    except BaseException:
        home.remove()
        raise


async def make_key(path: Path, comment: str) -> str:
    """Make a key pair without a passphrase at `path`, in a folder that only the user can enter.

    Returns:
        The public key, one line.

    Raises:
        UsageError: OpenSSH's ssh-keygen is not installed.
    """
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UsageError("there is no `ssh-keygen` on this machine", hint="install OpenSSH's client")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    argv = (program, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))
    done = await complete(argv, seconds=_KEY_SECONDS)
    if done.exit_code:
        raise FtlError("no key pair could be made", cause=done.stderr.decode(errors="replace").strip())
    return path.with_suffix(".pub").read_text().strip()


async def _own(engine: Engine, home: Home) -> ServerState | None:
    """The sandbox's container, which must be this user's: its name is shared by all users of the engine.

    Raises:
        UsageError: It is another user's, or not a sandbox.
    """
    server = await container.state(engine, home.container)
    if server is not None and server.labels.get(HOME_LABEL) != str(home.folder):
        owner = server.labels.get(HOME_LABEL, "something else")
        raise UsageError(
            f"the name {home.container} is taken on this machine's engine",
            cause=f"it belongs to {owner}",
            hint="choose another name: `--name NAME`, or the environment variable FTL_SANDBOX",
        )
    return server


def _address(home: Home, server: ServerState) -> SandboxAddress:
    """Where a running sandbox is reached."""
    return SandboxAddress(
        host=HOST,
        port=server.ports[SSH],
        user=USER,
        key=home.key,
        known_hosts=home.known_hosts,
        http_port=server.ports[HTTP],
        https_port=server.ports[HTTPS],
    )
