"""Images of the app: built by BuildKit from a real Dockerfile, once.

Each is built for a *family* of methods. Two families share no layer, not even the base: the local engine remembers what
it pushed to a registry, layer by layer, and that must help the methods that push to a registry, and no other.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import images
from lab.place import LABEL, exclusive
from lab.server import docker

from bench.transfer.cases import VARIANTS
from ftl.image.building.docker_cli.buildkit_cli import find_buildkit_cli

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.transfer.cases import Size, Variant

RECIPES = Path(__file__).parent / "recipes"
BUILD_SECONDS = 1200.0

_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_BASES: Mapping[Size, tuple[str, str]] = {
    "web": ("python", "python-base:latest"),
    "small": ("busybox", images.BUSYBOX),
    "large": ("busybox", images.BUSYBOX),
}
"""The base image of an app: its name in the lab, and its reference."""

_STAMP = 1_767_225_600
"""2026-01-01: the time of the app's files; a day later for each new checkout."""

_DAY = 86_400
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class AppImages:
    """The variants of one app for one family, in the local engine.

    Attributes:
        repository: The repository; the tag is the variant's name.
        layer: Bytes of the largest layer of the last variant, without the base.
    """

    repository: str
    sizes: Mapping[str, int]
    layer: int

    def reference(self, variant: str) -> str:
        """The local reference of a variant."""
        return f"{self.repository}:{variant}"


def ensure_images(size: Size, family: str, variants: Sequence[str] = tuple(VARIANTS)) -> AppImages:
    """Build the missing images; those built of the same files are used again."""
    repository = f"ftl-bench-{size}-{family}"
    digest = _digest(size)
    with exclusive(f"bench-{size}-{family}"):
        missing = [name for name in variants if not _is_there(f"{repository}:{name}", digest)]
        if missing:
            base, _ = _BASES[size]
            images.ensure(base)
            files = _files(size)
            for name in missing:
                print(f"building {repository}:{name}", file=sys.stderr, flush=True)
                context = _context(size, family, VARIANTS[name], files)
                _build(f"{repository}:{name}", size, family, VARIANTS[name], digest, context)
    sizes = {name: _size(f"{repository}:{name}") for name in variants}
    return AppImages(repository, sizes, _largest_step(f"{repository}:{variants[-1]}"))


def remove_images() -> None:
    """Remove all images of the benchmark."""
    form = ("--format", "{{.Repository}}:{{.Tag}}")
    found = docker("images", *form, "--filter", f"label={LABEL}=bench").stdout.decode().split()
    if found:
        docker("rmi", *found)


# --- the local engine -------------------------------------------------------------------------------


def _digest(size: Size) -> str:
    """The digest of all inputs of the images."""
    files = sorted((path.name, path.read_bytes()) for path in (RECIPES / size).iterdir())
    return hashlib.sha256(repr((files, VARIANTS)).encode()).hexdigest()[:12]


def _is_there(reference: str, digest: str) -> bool:
    form = '{{index .Config.Labels "' + images.RECIPE_LABEL + '"}}'
    done = docker("image", "inspect", "--format", form, reference, check=False)
    return done.returncode == 0 and done.stdout.decode().strip() == digest


def _size(reference: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", reference).stdout)


def _largest_step(reference: str) -> int:
    """Bytes of the largest layer, without the base."""
    done = docker("history", "--human=false", "--format", "{{.Size}}", reference)
    newest_first = [int(line) for line in done.stdout.split() if int(line)]
    return max(newest_first[:-1], default=0)


def _build(reference: str, size: Size, family: str, variant: Variant, digest: str, context: bytes) -> None:
    builder = find_buildkit_cli(os.environ)
    _, base = _BASES[size]
    arguments = {"PYTHON": base, "FAMILY": family, "BUILD": str(variant.checkout)}
    labels = {images.RECIPE_LABEL: digest, LABEL: "bench"}
    authorities = _AUTHORITIES if _AUTHORITIES.exists() else Path(os.devnull)
    argv = [builder.docker, "build", "--tag", reference, "--secret", f"id=ca,src={authorities}"]
    argv += [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
    argv += [word for pair in labels.items() for word in ("--label", "=".join(pair))]
    argv += ["--load", "-"] if builder.kind == "buildx" else ["-"]
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(
        argv, input=context, env=environment, capture_output=True, check=False, timeout=BUILD_SECONDS
    )
    if done.returncode:
        raise SystemExit(f"{reference} could not be built:\n{done.stderr.decode()[-3000:]}")


# --- build contexts ---------------------------------------------------------------------------------


def _context(size: Size, family: str, variant: Variant, files: Mapping[str, bytes]) -> bytes:
    """The build context of a variant, as a tar."""
    folder = RECIPES / size
    content = {
        **files,
        "Dockerfile": (folder / "Dockerfile").read_bytes(),
        "requirements.txt": _requirements(folder, added=variant.added),
        "app/family": f"{family}\n".encode(),
    }
    if variant.added:
        content |= {f"site/added-{number}.py": _source(1000 + number) for number in range(2)}
    sources = sorted(name for name in files if name.startswith("app/") and name.endswith(".py"))
    edited = sources[len(sources) // 2] if variant.edited else None
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in sorted(content.items()):
            entry = tarfile.TarInfo(name)
            entry.mtime, entry.mode = _STAMP + _DAY * variant.checkout, 0o644
            if name == edited:
                data += b"\n# one more line\n"
                entry.mtime += _HOUR
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _requirements(folder: Path, *, added: bool) -> bytes:
    names = ["requirements.txt", "added.txt"] if added else ["requirements.txt"]
    return b"".join((folder / name).read_bytes() for name in names if (folder / name).exists())


def _files(size: Size) -> dict[str, bytes]:
    """The app's files, the same in each variant."""
    if size == "web":
        return _downloaded(RECIPES / size / "app.txt")
    if size == "large":
        return {}
    modules = {f"app/module{number}.py": _source(number) for number in range(20)}
    return modules | {f"site/package{number}.py": _source(100 + number) for number in range(300)}


def _downloaded(requirement: Path) -> dict[str, bytes]:
    """The code of a real web app, out of its wheel."""
    options = (
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    )
    with tempfile.TemporaryDirectory(prefix="ftl-bench-") as folder:
        argv = (sys.executable, "-m", "pip", "download", *options, "-d", folder, "-r", str(requirement))
        subprocess.run(argv, check=True, timeout=300)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            return {f"app/{name}": archive.read(name) for name in names}


def _source(seed: int) -> bytes:
    """Some 10 kB that compress like source code."""
    words = random.Random(seed)
    lines = (
        f"value_{words.randrange(500)} = function_{words.randrange(90)}({words.randrange(10**6)})"
        for _ in range(300)
    )
    return "\n".join(lines).encode()
