"""`ftl sandbox up`, `status` and `down`: a throwaway server on this machine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ftl.child import complete
from ftl.errors import FtlError, UsageError
from ftl.events import Emit, Note
from ftl.server.sandbox import container
from ftl.server.sandbox.container import HTTP, HTTPS, SSH, USER, ServerSpec, ServerState
from ftl.server.sandbox.docker import Docker, find
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
    """How a sandbox is; its address while it runs."""

    name: str
    state: Literal["running", "stopped", "absent"]
    address: SandboxAddress | None = None


async def up(name: str | None, emit: Emit) -> SandboxAddress:
    """Make sure that a sandbox runs: made where there is none, started where it is stopped.

    Returns:
        Where it is reached. Its host key is already in the file that goes with it.

    Raises:
        UsageError: A sandbox of that name belongs to another user, or nothing to make one from is here.
        EngineUnavailable: No Docker engine answers on this machine.
        FtlError: It does not come up; with the end of its log.
    """
    home, docker = Home.of(name), find()
    with home.lock():
        found = await _own(docker, home)
        if found is not None and not home.key.exists():
            await container.remove(docker, home.container)  # nobody can log in any more
            found = None
        if found is None:
            await _make(docker, home, emit)
        elif not found.running:
            emit(Note("starting the sandbox, which was stopped"))
            await docker.run("start", home.container)
        ready = await container.wait_ready(docker, home.container)
        there = _address(home, ready)
        home.remember(there, await container.host_key(docker, home.container))
    return there


async def status(name: str | None) -> SandboxStatus:
    """How a sandbox is.

    Raises:
        EngineUnavailable: No Docker engine answers on this machine.
    """
    home = Home.of(name)
    found = await _own(find(), home)
    if found is None:
        return SandboxStatus(home.name, "absent")
    if not found.running:
        return SandboxStatus(home.name, "stopped")
    return SandboxStatus(home.name, "running", _address(home, found))


async def down(name: str | None, *, images: bool = False) -> bool:
    """Remove a sandbox with all that it held: container, volumes, keys; `images`: also what it is made from.

    Returns:
        Whether there was one.
    """
    home, docker = Home.of(name), find()
    with home.lock():
        found = await _own(docker, home)
        await container.remove(docker, home.container)
        home.forget()
    if images:
        for image in (await docker.run("images", "--quiet", "--filter", f"label={IMAGE_LABEL}")).split():
            await docker.attempt("rmi", image)  # another sandbox may be running on it
    return found is not None


async def _make(docker: Docker, home: Home, emit: Emit) -> None:
    """Create a sandbox from nothing, keys first."""
    image = await ensure_image(docker, Recipe(), emit)
    home.forget()
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
        await container.create(docker, spec)
    except BaseException:
        home.forget()
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


async def _own(docker: Docker, home: Home) -> ServerState | None:
    """The sandbox's container, which must be ours: the name is one for the whole engine.

    Raises:
        UsageError: It is another user's, or no sandbox at all.
    """
    found = await container.state(docker, home.container)
    if found is not None and found.labels.get(HOME_LABEL) != str(home.folder):
        whose = found.labels.get(HOME_LABEL, "something else")
        raise UsageError(
            f"the name {home.container} is taken on this machine's engine",
            cause=f"it belongs to {whose}",
            hint="choose another name: `--name NAME`, or the environment variable FTL_SANDBOX",
        )
    return found


def _address(home: Home, running: ServerState) -> SandboxAddress:
    """Where a running sandbox is reached."""
    return SandboxAddress(
        host=HOST,
        port=running.ports[SSH],
        user=USER,
        key=home.key,
        known_hosts=home.known_hosts,
        http_port=running.ports[HTTP],
        https_port=running.ports[HTTPS],
    )
