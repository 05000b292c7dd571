"""Find a docker CLI with BuildKit on PATH.

A CLI from 23.0 on needs the buildx plugin to build. An older one has BuildKit built in (from 18.09 on, with
DOCKER_BUILDKIT=1; Debian 12's docker.io 20.10 is one). A machine may have several, so all of PATH is searched and the
best CLI is used. The classic builder, which CLIs fall back to without BuildKit, is not used.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ftl.common.user_files import cache_file, read_json, write_json
from ftl.dataclass import dataclass
from ftl.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CliKind = Literal["buildx", "buildkit"]
"""In order of preference: the plugin, and BuildKit inside a CLI before 23.0."""

_FILE = "builders.json"
_PROBE_SECONDS = 10.0
_VERSION = re.compile(r"Docker version (\d+)\.(\d+)", re.IGNORECASE)
_BUILTIN_SINCE, _BUILTIN_UNTIL = (18, 9), (23, 0)
_PLUGIN_FOLDERS = (
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
_INSTALL_BUILDX = (
    "install the buildx plugin: `apt-get install docker-buildx` (Debian 13, Ubuntu), or docker-buildx-plugin from "
    "Docker's own repository"
)


@dataclass(frozen=True, slots=True)
class BuildKitCli:
    """A docker CLI with BuildKit: its path, and where its BuildKit is."""

    docker: str
    kind: CliKind


@dataclass(frozen=True, slots=True)
class _Cli:
    """A docker CLI as probed."""

    path: str
    version: tuple[int, int]
    has_buildx: bool

    @property
    def kind(self) -> CliKind | None:
        if self.has_buildx:
            return "buildx"
        return "buildkit" if _BUILTIN_SINCE <= self.version < _BUILTIN_UNTIL else None


def find_buildkit_cli(environ: Mapping[str, str]) -> BuildKitCli:
    """Return the best CLI on PATH. It is cached until a CLI or a plugin changes.

    Raises:
        BuildFailed: There is no docker CLI, or none of them has BuildKit.
    """
    candidates = _candidates(environ)
    fingerprint = _fingerprint(candidates, environ)
    cached = read_json(cache_file(_FILE))
    if cached.get("fingerprint") == fingerprint and (cli := _restored(cached)) is not None:
        return cli
    cli = _best(_probe_all(candidates, environ))
    write_json(cache_file(_FILE), {"fingerprint": fingerprint, "docker": cli.docker, "kind": cli.kind})
    return cli


def find_cli(environ: Mapping[str, str]) -> str:
    """Return the path of a docker CLI for commands other than `build`.

    It is the one that builds, if there is one, else the first on PATH.

    Raises:
        BuildFailed: There is no docker CLI.
    """
    try:
        return find_buildkit_cli(environ).docker
    except BuildFailed:
        return _probe_all(_candidates(environ), environ)[0].path


def _restored(cached: Mapping[str, object]) -> BuildKitCli | None:
    docker = cached.get("docker")
    kind = next((kind for kind in get_args(CliKind) if kind == cached.get("kind")), None)
    return BuildKitCli(docker, kind) if isinstance(docker, str) and kind is not None else None


def _candidates(environ: Mapping[str, str]) -> list[str]:
    """All `docker` programs on PATH, in its order, without duplicates."""
    paths: dict[str, str] = {}
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = shutil.which("docker", path=folder) if folder else None
        if path is not None:
            paths.setdefault(os.path.realpath(path), path)
    return list(paths.values())


def _fingerprint(candidates: Sequence[str], environ: Mapping[str, str]) -> str:
    """Changes when a CLI is replaced or a plugin folder gains or loses an entry."""
    config = environ.get("DOCKER_CONFIG") or str(Path(environ.get("HOME", "/")) / ".docker")
    paths = [*candidates, f"{config}/cli-plugins", *_PLUGIN_FOLDERS]
    return " ".join(f"{path}:{_stamp(path)}" for path in paths)


def _stamp(path: str) -> str:
    try:
        status = Path(path).stat()
    except OSError:
        return "-"
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return f"{status.st_mtime_ns}:{size}"


def _best(clis: Sequence[_Cli]) -> BuildKitCli:
    order: tuple[CliKind, ...] = get_args(CliKind)
    found = [BuildKitCli(cli.path, cli.kind) for cli in clis if cli.kind is not None]
    if found:
        return min(found, key=lambda each: order.index(each.kind))
    cli = clis[0]
    version = ".".join(str(part) for part in cli.version)
    is_old = cli.version < _BUILTIN_SINCE
    cause = f"Docker CLI {version} is too old" if is_old else f"Docker CLI {version} needs the buildx plugin"
    raise BuildFailed(
        f"`{cli.path}` has no BuildKit, which FTL builds with", cause=cause, hint=_INSTALL_BUILDX
    )


def _probe_all(candidates: Sequence[str], environ: Mapping[str, str]) -> list[_Cli]:
    """Probe all candidates; at least one is Docker's CLI."""
    if not candidates:
        raise BuildFailed("there is no docker CLI on PATH", hint=_INSTALL_CLI)
    clis = [cli for path in candidates if (cli := _probe(path, environ)) is not None]
    if not clis:
        raise BuildFailed(
            f"`{candidates[0]}` is not Docker's own CLI, and there is no other on PATH", hint=_INSTALL_CLI
        )
    return clis


def _probe(path: str, environ: Mapping[str, str]) -> _Cli | None:
    """Ask a CLI for its version and plugin; None for podman's stand-in, which speaks to no Docker engine."""
    version = _VERSION.search(command_output([path, "--version"], environ))
    if version is None:
        return None
    has_buildx = "buildx" in command_output([path, "buildx", "version"], environ)
    return _Cli(path, (int(version[1]), int(version[2])), has_buildx)


def command_output(argv: list[str], environ: Mapping[str, str], seconds: float = _PROBE_SECONDS) -> str:
    """The stdout of a command that succeeds within these seconds, else nothing."""
    try:
        done = subprocess.run(
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
