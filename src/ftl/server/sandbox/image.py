"""The image that a sandbox is made from: a plain Debian with sshd and Debian's own Docker, built once."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.child import lines_of
from ftl.errors import BuildFailed, UsageError
from ftl.events import Emit, Note

if TYPE_CHECKING:
    from ftl.server.sandbox.docker import Docker

REPOSITORY = "ftl-sandbox"
LABEL = "ftl.sandbox.image"

_TEMPLATE = files("ftl.server.sandbox") / "template"
_SERVER = ("ca-certificates", "curl", "iproute2", "iptables", "openssh-server", "passwd", "procps", "zstd")
_COMFORT = ("python3-minimal", "sudo")
_BOOTSTRAP_SECONDS = 300.0
# As in Docker Hub's slim images: no documentation but licences, and no fsync for files that a build can repeat.
_SLIM = (
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is in the image.

    Attributes:
        suite: Debian's: "bookworm", "trixie", "sid".
        docker: Whether Debian's Docker is installed; without it: a bare server.
        comfort: Whether sudo and python3 are there, as on most servers.
    """

    suite: str = "trixie"
    docker: bool = True
    comfort: bool = True

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian's packages on top of the base. From trixie on, Docker's command is a package of its own."""
        docker: tuple[str, ...] = ()
        if self.docker:
            docker = (
                ("docker.io",) if self.suite == "bookworm" else ("docker.io", "docker-cli", "docker-buildx")
            )
        return (*_SERVER, *(_COMFORT if self.comfort else ()), *docker)

    @property
    def reference(self) -> str:
        """The image's name: its tag changes with the recipe and with the files of the template."""
        content = hashlib.sha256(" ".join(self.packages).encode())
        for name, data in _template():
            content.update(name.encode() + b"\0" + data)
        return f"{REPOSITORY}:{self.suite}-{content.hexdigest()[:12]}"


async def ensure_image(docker: Docker, recipe: Recipe, emit: Emit) -> str:
    """Build the image unless the engine has it.

    Returns:
        Its reference.

    Raises:
        BuildFailed: It could not be built.
        UsageError: There is nothing to build it on.
    """
    reference = recipe.reference
    if await docker.has_image(reference):
        return reference
    base = await ensure_base(docker, recipe.suite, emit)
    emit(Note(f"building the server's image on {base} (once; about a minute)"))
    await docker.build(
        reference,
        pack(_template()),
        arguments={"BASE": base, "PACKAGES": " ".join(recipe.packages)},
        labels={LABEL: recipe.suite},
    )
    return reference


async def ensure_base(docker: Docker, suite: str, emit: Emit) -> str:
    """A Debian image: the one that is here, else pulled, else made from Debian's packages.

    Returns:
        Its reference.

    Raises:
        UsageError: No registry answers and mmdebstrap is not installed.
        BuildFailed: mmdebstrap failed.
    """
    slim, full = f"debian:{suite}-slim", f"debian:{suite}"
    for reference in (slim, full):
        if await docker.has_image(reference):
            return reference
    emit(Note(f"pulling {slim}"))
    if await docker.pull(slim):
        return slim
    if shutil.which("mmdebstrap") is None:
        raise UsageError(
            f"{slim} cannot be pulled and is not here",
            cause="no image registry can be reached from this machine's engine",
            hint=f"bring {full} here (`docker load`), or make it: `apt-get install mmdebstrap`",
        )
    emit(Note(f"no image registry can be reached: making {full} from Debian's packages"))
    await bootstrap(docker, suite, full)
    return full


async def bootstrap(docker: Docker, suite: str, reference: str) -> None:
    """Make a base image with mmdebstrap, which takes the mirror from this machine's apt.

    Raises:
        BuildFailed: With its last lines as details.
    """
    argv = ["mmdebstrap", "--quiet", "--variant=apt", "--include=ca-certificates"]
    argv += [f"--dpkgopt={option}" for option in _SLIM]
    if suite == "sid":
        # Debian's unstable may come from a snapshot, whose index is past its date by nature.
        argv.append('--aptopt=Acquire::Check-Valid-Until "false"')
    with tempfile.TemporaryDirectory(prefix="ftl-") as folder:
        archive = Path(folder) / "base.tar"
        try:
            async with (
                asyncio.timeout(_BOOTSTRAP_SECONDS),
                lines_of([*argv, suite, str(archive)]) as (lines, process),  # interrupted, it unmounts all
            ):
                said = [line async for line in lines]
                status = await process.wait()
        except TimeoutError:
            raise BuildFailed(f"mmdebstrap took longer than {_BOOTSTRAP_SECONDS:.0f} s") from None
        if status:
            raise BuildFailed(f"mmdebstrap could not make {reference}").with_details(said[-20:])
        await docker.run("import", str(archive), reference, timeout=_BOOTSTRAP_SECONDS)


def pack(members: list[tuple[str, bytes]], *, mode: int = 0o644) -> bytes:
    """A tar of files owned by root, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _template() -> list[tuple[str, bytes]]:
    """The files of the image's build context, in a fixed order."""
    found = [(entry.name, entry.read_bytes()) for entry in _TEMPLATE.iterdir() if entry.is_file()]
    return sorted(found)
