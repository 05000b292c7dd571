"""Which docker CLI builds, and how: buildx, BuildKit inside an older CLI, or the classic builder.

A machine may hold several: a CLI from 23.0 on has no builder of its own and needs the buildx plugin, an older
one brings BuildKit (from 18.09 on, with DOCKER_BUILDKIT=1). So all of PATH is looked at; the best is taken.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ftl.errors import BuildFailed
from ftl.image.json_files import cache_file, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

BuilderKind = Literal["buildx", "buildkit", "classic"]
"""In order of preference: the plugin, the one inside a CLI before 23.0, the builder before BuildKit."""

_FILE = "builders.json"
_PROBE_SECONDS = 10.0
_VERSION = re.compile(r"Docker version (\d+)\.(\d+)", re.IGNORECASE)
_PLUGINS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
)

_INSTALL_CLI = (
    "install the docker CLI with buildx (Debian: `apt-get install docker-cli docker-buildx`, "
    "or docker.io before Debian 13)"
)


@dataclass(frozen=True, slots=True)
class Builder:
    """A docker CLI that builds."""

    docker: str
    kind: BuilderKind

    @property
    def has_buildkit(self) -> bool:
        """Whether secrets, `RUN --mount` and parallel stages work."""
        return self.kind != "classic"


def find_builder(environ: Mapping[str, str]) -> Builder:
    """The best builder on PATH. What was found is remembered until a CLI or a plugin changes.

    Raises:
        BuildFailed: There is no docker CLI at all.
    """
    candidates = _candidates(environ)
    fingerprint = _fingerprint(candidates, environ)
    known = read_json(cache_file(_FILE))
    if known.get("fingerprint") == fingerprint and (builder := _restored(known)) is not None:
        return builder
    builder = _best(candidates, environ)
    write_json(
        cache_file(_FILE), {"fingerprint": fingerprint, "docker": builder.docker, "kind": builder.kind}
    )
    return builder


def _restored(known: Mapping[str, object]) -> Builder | None:
    docker = known.get("docker")
    kind = next((kind for kind in get_args(BuilderKind) if kind == known.get("kind")), None)
    return Builder(docker, kind) if isinstance(docker, str) and kind is not None else None


def _candidates(environ: Mapping[str, str]) -> list[str]:
    """All docker CLIs on PATH, each once, in its order."""
    found: dict[str, str] = {}
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = shutil.which("docker", path=folder) if folder else None
        if path is not None:
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _fingerprint(candidates: list[str], environ: Mapping[str, str]) -> str:
    """Changes when a CLI is replaced or a plugin folder gains or loses an entry."""
    config = environ.get("DOCKER_CONFIG") or str(Path(environ.get("HOME", "/")) / ".docker")
    return " ".join(f"{path}:{_stamp(path)}" for path in [*candidates, f"{config}/cli-plugins", *_PLUGINS])


def _stamp(path: str) -> str:
    try:
        status = Path(path).stat()
    except OSError:
        return "-"
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return f"{status.st_mtime_ns}:{size}"


def _best(candidates: list[str], environ: Mapping[str, str]) -> Builder:
    if not candidates:
        raise BuildFailed("there is no docker CLI on PATH to build with", hint=_INSTALL_CLI)
    builders = [builder for path in candidates if (builder := _probe(path, environ)) is not None]
    if not builders:
        raise BuildFailed(
            f"`{candidates[0]}` is not Docker's own CLI, and there is no other on PATH", hint=_INSTALL_CLI
        )
    order: tuple[BuilderKind, ...] = get_args(BuilderKind)
    return min(builders, key=lambda builder: order.index(builder.kind))


def _probe(path: str, environ: Mapping[str, str]) -> Builder | None:
    """What a CLI can do; None for what is none (podman's stand-in speaks to no Docker engine)."""
    version = _VERSION.search(_printed([path, "--version"], environ))
    if version is None:
        return None
    if "buildx" in _printed([path, "buildx", "version"], environ):
        return Builder(path, "buildx")
    is_builtin = (18, 9) <= (int(version[1]), int(version[2])) < (23, 0)
    return Builder(path, "buildkit" if is_builtin else "classic")


def _printed(argv: list[str], environ: Mapping[str, str]) -> str:
    """What a command prints on stdout if it succeeds."""
    try:
        done = subprocess.run(
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
