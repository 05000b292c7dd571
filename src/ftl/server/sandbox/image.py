"""The image of sandboxes: a plain Debian with sshd and Debian's Docker, built once."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections import deque
from contextlib import aclosing
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.child import lines_of
from ftl.common.json_fields import as_object, as_str
from ftl.dataclass import dataclass
from ftl.engine.tarball import tar_archive
from ftl.errors import BuildFailed, EngineError, EngineUnavailable, UsageError
from ftl.events import Emit, Note
from ftl.image.registry.docker_config import read_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ftl.engine.api import Engine

REPOSITORY = "ftl-sandbox"
LABEL = "ftl.sandbox.image"

_TEMPLATE = files("ftl.server.sandbox") / "template"
_SERVER = ("ca-certificates", "curl", "iproute2", "iptables", "openssh-server", "passwd", "procps", "zstd")
_CRON = ("cron", "tzdata")
_COMFORT = ("python3-minimal", "sudo")
_BOOTSTRAP_SECONDS = 300.0
_BUILD_SECONDS = 600.0
_PULL_SECONDS = 600.0
_CHUNK = 1 << 20
_LAST_LINES = 20
_PROXIES = {"httpProxy": "http_proxy", "httpsProxy": "https_proxy", "noProxy": "no_proxy"}
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
    """The contents of a server's image.

    Attributes:
        suite: Debian's suite: "bookworm", "trixie", "sid".
        docker: Whether Debian's Docker is installed; without it: a bare server.
        comfort: Whether sudo and python3 are installed, as on most servers.
    """

    suite: str = "trixie"
    docker: bool = True
    comfort: bool = True

    @property
    def packages(self) -> tuple[str, ...]:
        """Debian's packages on top of the base; trixie and later split off the docker command."""
        docker: tuple[str, ...] = ()
        if self.docker:
            docker = (
                ("docker.io",) if self.suite == "bookworm" else ("docker.io", "docker-cli", "docker-buildx")
            )
            docker += _CRON
        return (*_SERVER, *(_COMFORT if self.comfort else ()), *docker)

    @property
    def reference(self) -> str:
        """The image's name; its tag is a hash of the recipe and of the template's files."""
        digest = hashlib.sha256(" ".join(self.packages).encode())
        for name, content in _template():
            digest.update(name.encode() + b"\0" + content)
        return f"{REPOSITORY}:{self.suite}-{digest.hexdigest()[:12]}"


async def ensure_image(engine: Engine, recipe: Recipe, emit: Emit) -> str:
    """Build the image unless the engine has it; its reference.

    Raises:
        BuildFailed: It could not be built.
        UsageError: There is no base image, and no way to get one.
    """
    reference = recipe.reference
    if await engine.image(reference) is not None:
        return reference
    base = await ensure_base(engine, recipe.suite, emit)
    emit(Note(f"building the server's image on {base} (once; about a minute)"))
    await build(
        engine,
        reference,
        tar_archive(dict(_template()), parents=False),
        arguments={"BASE": base, "PACKAGES": " ".join(recipe.packages)},
        labels={LABEL: recipe.suite},
    )
    return reference


async def build(
    engine: Engine, tag: str, context: bytes, *, arguments: Mapping[str, str], labels: Mapping[str, str]
) -> None:
    """Build an image from a tar, with this machine's proxies.

    Raises:
        BuildFailed: With the last lines of the build as details.
    """
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    arguments = {**build_proxies(os.environ), **arguments}
    try:
        async with (
            asyncio.timeout(_BUILD_SECONDS),
            aclosing(engine.build(tag, context, arguments=arguments, labels=labels)) as output,
        ):
            async for line in output:
                lines.append(line)  # those before a failure are its details
    except EngineUnavailable:
        raise
    except (EngineError, TimeoutError) as error:
        cause = (
            error.cause if isinstance(error, EngineError) else f"it took longer than {_BUILD_SECONDS:.0f} s"
        )
        raise BuildFailed(f"the image {tag} could not be built", cause=cause).with_details(lines) from None


def build_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Proxies as build arguments: the environment's, else those of docker's config file."""
    default = as_object(as_object(read_config(environ).get("proxies")).get("default"))
    proxies: dict[str, str] = {}
    for key, name in _PROXIES.items():
        for spelling in (name, name.upper()):
            proxies[spelling] = environ.get(spelling) or as_str(default.get(key))
    return {name: value for name, value in proxies.items() if value}


async def ensure_base(engine: Engine, suite: str, emit: Emit) -> str:
    """A Debian image: the one on this machine, else pulled, else made from Debian's packages.

    Raises:
        UsageError: No registry answers and mmdebstrap is not installed.
        BuildFailed: mmdebstrap failed.
    """
    slim, full = f"debian:{suite}-slim", f"debian:{suite}"
    for reference in (slim, full):
        if await engine.image(reference) is not None:
            return reference
    emit(Note(f"pulling {slim}"))
    if await pull(engine, slim):
        return slim
    if shutil.which("mmdebstrap") is None:
        raise UsageError(
            f"{slim} cannot be pulled and is not on this machine",
            cause="no image registry can be reached from this machine's engine",
            hint=f"load {full} with `docker load`, or install mmdebstrap, which builds it: "
            "`apt-get install mmdebstrap`",
        )
    emit(Note(f"no image registry can be reached: making {full} from Debian's packages"))
    await bootstrap(engine, suite, full)
    return full


async def pull(engine: Engine, reference: str, *, patience: float = 10.0) -> bool:
    """Pull an image, if its registry answers within `patience` seconds: whether it was.

    The reason for a failure is dropped: callers have another way.
    """
    try:
        async with asyncio.timeout(patience) as deadline:
            async for _ in engine.pull(reference):
                deadline.reschedule(asyncio.get_running_loop().time() + _PULL_SECONDS)
    except EngineUnavailable:
        raise
    except (EngineError, TimeoutError):
        return False
    return True


async def bootstrap(engine: Engine, suite: str, reference: str) -> None:
    """Make a base image with mmdebstrap, which takes the mirror from this machine's apt.

    Raises:
        BuildFailed: With its last lines as details.
    """
    argv = ["mmdebstrap", "--quiet", "--variant=apt", "--include=ca-certificates"]
    argv += [f"--dpkgopt={option}" for option in _SLIM]
    if suite == "sid":
        # Debian's unstable may come from a snapshot, whose index is past its date by nature.
        argv.append('--aptopt=Acquire::Check-Valid-Until "false"')
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    with tempfile.TemporaryDirectory(prefix="ftl-") as folder:
        archive = Path(folder) / "base.tar"
        try:
            async with (
                asyncio.timeout(_BOOTSTRAP_SECONDS),
                lines_of([*argv, suite, str(archive)]) as (output, process),  # interrupted, it unmounts all
            ):
                async for line in output:
                    lines.append(line)
                status = await process.wait()
        except TimeoutError:
            raise BuildFailed(f"mmdebstrap took longer than {_BOOTSTRAP_SECONDS:.0f} s") from None
        if status:
            raise BuildFailed(f"mmdebstrap could not make {reference}").with_details(lines)
        async with asyncio.timeout(_BOOTSTRAP_SECONDS):
            await engine.import_archive(reference, _chunks(archive))


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


def _template() -> list[tuple[str, bytes]]:
    """The files of the image's build context, in a fixed order."""
    entries = [(entry.name, entry.read_bytes()) for entry in _TEMPLATE.iterdir() if entry.is_file()]
    return sorted(entries)
